"""Pictures inside recorded figures: a file each beside the figure, which a page shows in place of half a megabyte of text.

A figure that Matplotlib draws as SVG holds its pictures in itself, as text that does not compress. The file of the figure stays
whole, for notebooks and slides. On a page the text comes first, and its pictures after it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

_EMBEDDED = re.compile(r"data:image/(png|webp|jpeg);base64,([A-Za-z0-9+/=\s]+)")


def pictures(svg: str, stem: str) -> Iterator[tuple[str, bytes]]:
    """The pictures inside a figure: the name of a file and its bytes.

    Args:
        svg: The figure.
        stem: The name of its file, without the ending.
    """
    for i, found in enumerate(_EMBEDDED.finditer(svg), 1):
        yield f"{stem}-picture{i}.{found[1]}", base64.b64decode(found[2])


def write_pictures(figure: Path) -> None:
    """Write the pictures of a figure beside it."""
    for name, data in pictures(figure.read_text("utf-8"), figure.stem):
        (figure.parent / name).write_bytes(data)


def with_files(svg: str, figure: Path, folder: str) -> str:
    """A figure that shows the files in the place of the pictures inside it.

    Args:
        svg: The figure.
        figure: Its file, beside which the pictures lie.
        folder: The address of that folder, as seen from the page.

    Raises:
        FileNotFoundError: A picture has no file; the error names it.
    """
    for name, _ in pictures(svg, figure.stem):
        if not (figure.parent / name).exists():
            raise FileNotFoundError(2, "missing", str(figure.parent / name))
        svg = _EMBEDDED.sub(f"{folder}/{name}", svg, count=1)
    return svg
