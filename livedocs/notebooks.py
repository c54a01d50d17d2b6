"""A snippet as a Jupyter notebook, and what else of it a reader may download."""

from __future__ import annotations

from livedocs.snippets import Snippet


def notebook_name(snippet: Snippet) -> str:
    """The file name of a snippet's notebook in its profile."""
    return f"{snippet.name}.ipynb" if snippet.profile == "compact" else f"{snippet.name}-{snippet.profile}.ipynb"


def downloads(snippet: Snippet) -> dict[str, str]:
    """The files that a reader may download, by name: the script, and a notebook for each profile."""
    variants = [snippet.in_profile(profile) for profile in snippet.profiles]
    return {snippet.path.name: snippet.original} | {notebook_name(variant): notebook(variant) for variant in variants}


def notebook(snippet: Snippet) -> str:
    """The notebook's text (JSON). The same snippet always gives the same text.

    Args:
        snippet: The snippet, in the profile that the notebook shall have.
    """
    import nbformat

    where = (
        "Start it in the root of the project's checkout, where `checkpoints/` lies: "
        f"`jupyter lab --notebook-dir .`, then open `{snippet.file}` as a notebook or move this file there."
        if snippet.profile == "compact"
        else "It needs a network on its first run, to fetch the published checkpoint, and no file of the project."
    )
    parts = [(0, nbformat.v4.new_markdown_cell(f"*{where}*"))]
    parts += [(line, nbformat.v4.new_markdown_cell(text)) for line, text in snippet.prose]
    for cell in snippet.cells:
        parts.append((cell.line, nbformat.v4.new_code_cell(cell.source, metadata={"name": cell.name})))
    book = nbformat.v4.new_notebook(cells=[part for _, part in sorted(parts, key=lambda pair: pair[0])])
    for i, part in enumerate(book.cells):
        part["id"] = f"cell-{i}"  # not a random one: the same snippet gives the same notebook
    book.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return str(nbformat.writes(book, version=4)) + "\n"
