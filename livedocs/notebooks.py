"""A snippet as a Jupyter notebook, and what else of it a reader may download."""

from __future__ import annotations

from itertools import zip_longest

from livedocs.errors import DocsError
from livedocs.snippets import Snippet


def notebook_name(snippet: Snippet) -> str:
    """The file name of a snippet's notebook in its profile."""
    return f"{snippet.name}.ipynb" if snippet.profile == "compact" else f"{snippet.name}-{snippet.profile}.ipynb"


def downloads(snippet: Snippet) -> dict[str, str]:
    """The files that a reader may download, by name: the script, and a notebook for each profile."""
    variants = [snippet.in_profile(profile) for profile in snippet.profiles]
    return {snippet.path.name: snippet.original} | {notebook_name(variant): notebook(variant) for variant in variants}


def notebook(snippet: Snippet) -> str:
    """The notebook's text (JSON), made by jupytext. The same snippet always gives the same text.

    Args:
        snippet: The snippet, in the profile that the notebook shall have.

    Raises:
        DocsError: Jupyter would cut the cells elsewhere than the page does.
    """
    import jupytext
    import nbformat

    book = jupytext.reads(snippet.text, fmt={"extension": ".py", "format_name": "percent", "comment_magics": False})
    # Comments above the first header become a cell without a title.
    book.cells = [part for part in book.cells if part.cell_type != "code" or "title" in part.metadata]
    cells = [part for part in book.cells if part.cell_type == "code"]
    for part, cell in zip_longest(cells, snippet.cells):
        if part is None or cell is None or part.source.strip() != cell.source.strip():
            at = cell or snippet.cells[-1]
            raise DocsError(
                f"jupytext cuts the notebook elsewhere at cell '{at.name}'; write no `# %%` inside a string there",
                file=snippet.file,
                line=at.line,
            )
        part.metadata.clear()
        part.metadata["name"] = cell.name
    where = (
        "Run this in the root of a checkout of the project, where `checkpoints/` lies."
        if snippet.profile == "compact"
        else "This needs a network on its first run, to fetch the published checkpoint, and no file of the project."
    )
    book.cells = [nbformat.v4.new_markdown_cell(f"*{where}*"), *(part for part in book.cells if part.source.strip())]
    for i, part in enumerate(book.cells):
        part["id"] = f"cell-{i}"  # not a random one: the same snippet gives the same notebook
        if part.cell_type == "markdown":
            part.metadata.clear()
    book.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return str(nbformat.writes(book, version=4)) + "\n"
