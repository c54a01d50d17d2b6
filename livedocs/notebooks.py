"""A snippet as a Jupyter notebook, by jupytext."""

from __future__ import annotations

from livedocs.snippets import Snippet


def notebook(snippet: Snippet) -> str:
    """The notebook's text (JSON). The same snippet always gives the same text.

    Args:
        snippet: The snippet, in the profile that the notebook shall have.
    """
    import jupytext
    import nbformat

    book = jupytext.reads(snippet.text, fmt="py:percent")
    where = (
        "Start it in the root of the project's checkout, where `checkpoints/` lies: "
        f"`jupyter lab --notebook-dir .`, then open `{snippet.file}` as a notebook or move this file there."
        if snippet.profile == "compact"
        else "It needs a network on its first run, to fetch the published checkpoint, and no file of the project."
    )
    book.cells.insert(0, nbformat.v4.new_markdown_cell(f"*{where}*"))
    for i, cell in enumerate(book.cells):
        cell["id"] = f"cell-{i}"
        name = cell.metadata.pop("name", None) or cell.metadata.pop("title", None)
        cell.metadata.clear()
        if name:
            cell.metadata["name"] = name
    book.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return str(nbformat.writes(book, version=4)) + "\n"
