"""Recorded drawings on a page: their pictures are files of their own, and their room is known before they are drawn.

A figure that Matplotlib draws as SVG holds its pictures in itself, as text that does not compress. The file of the figure stays
whole, for notebooks and slides. On a page the text comes first, and a picture when the reader comes near it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path

_EMBEDDED = re.compile(r"data:image/(png|webp|jpeg);base64,([A-Za-z0-9+/=\s]+)")
_IMAGE = re.compile(r"<image\b([^>]*?)/>")
_PLACE = re.compile(r'\b(transform|x|y|width|height)="([^"]*)"')
_LONG = re.compile(r"(?<![\w#.-])-?\d+\.\d{3,}(?![\w.])")
_NAMED = re.compile(r'(<(?:g|path|text|use|rect)\b[^>]*?) id="([^"]+)"')
_USED = re.compile(r'(?:url\(#|href="#)([^")]+)')
_SHAPE = re.compile(r'<path id="([^"]+)" d="([^"]+)"')
_DOTS = re.compile(
    r'<use xlink:href="#([^"]+)" x="[^"]+" y="[^"]+" style="([^"]*)"/>'
    r'(?:<use xlink:href="#\1" x="[^"]+" y="[^"]+" style="\2"/>){20,}'
)
_AT = re.compile(r'x="([^"]+)" y="([^"]+)"')
_VIEW = re.compile(r'viewBox="[-\d.]+ [-\d.]+ ([\d.]+) ([\d.]+)"')
_WIDEST = re.compile(r"max-width: [\d.]+px")
_COLUMNS = re.compile(r"--ld-columns: \d+")
_LAYOUT = re.compile(r"ld-diagram__svg(?: ld-diagram__svg(--\w+))?")


def pictures(svg: str, stem: str) -> Iterator[tuple[str, bytes]]:
    """The pictures inside a figure, in their order: the name of a file and its bytes. Equal pictures share a file.

    Args:
        svg: The figure.
        stem: The name of its file, without the ending.
    """
    names: dict[bytes, str] = {}
    for found in _EMBEDDED.finditer(svg):
        data = base64.b64decode(found[2])
        yield names.setdefault(data, f"{stem}-picture{len(names) + 1}.{found[1]}"), data


def write_pictures(figure: Path) -> None:
    """Write the pictures of a figure beside it."""
    for name, data in pictures(figure.read_text("utf-8"), figure.stem):
        (figure.parent / name).write_bytes(data)


def with_files(svg: str, figure: Path, folder: str) -> str:
    """A figure that shows the files in the place of the pictures inside it, each when it comes near the screen.

    SVG's own element for a picture cannot wait, so each becomes HTML's, at the same place. What describes it is the figure's label.

    Args:
        svg: The figure.
        figure: Its file, beside which the pictures lie.
        folder: The address of that folder, as seen from the page.

    Raises:
        FileNotFoundError: A picture has no file; the error names it.
    """
    names = [name for name, _ in pictures(svg, figure.stem)]
    for name in names:
        if not (figure.parent / name).exists():
            raise FileNotFoundError(2, "missing", str(figure.parent / name))
    files = iter(names)

    def placed(image: re.Match[str]) -> str:
        if not _EMBEDDED.search(image[1]):
            return image[0]
        place = dict(_PLACE.findall(image[1]))
        attributes = " ".join(f'{key}="{value}"' for key, value in place.items())
        size = " ".join(f'{key}="{float(place[key]):.0f}"' for key in ("width", "height"))
        return (
            f'<foreignObject {attributes}><img src="{folder}/{next(files)}" alt="" {size} loading="lazy">'
            "</foreignObject>"
        )

    return _IMAGE.sub(placed, svg)


def framed(svg: str, label: str | None = None) -> str:
    """A drawing as a page shows it: in a box of its shape.

    The box has the drawing's size before the drawing is laid out, which browsers do when it comes near the screen.

    Args:
        svg: The drawing.
        label: What it shows, in words; None where the drawing says so itself.
    """
    if label is not None:
        svg = _lean(svg).replace("<svg ", f'<svg role="img" aria-label="{escape(label)}" ', 1)
    head = svg[: svg.index(">")]
    view, layout = _VIEW.search(head), _LAYOUT.search(head)
    style = [f"aspect-ratio: {view[1]} / {view[2]}"] if view else []
    style += [found[0] for found in (_WIDEST.search(head), _COLUMNS.search(head)) if found]
    names = ["ld-drawing"]
    if layout:
        names += ["ld-diagram__frame"] + [f"ld-diagram__frame{layout[1]}"] * bool(layout[1])
    return f'<div class="{" ".join(names)}" style="{"; ".join(style)}">{svg}</div>'


def _lean(svg: str) -> str:
    """A figure without what no reader sees: space, names that nothing refers to, and places to a millionth of a point.

    Small numbers stay: they are factors, or parts of a mark that is drawn larger.
    """
    used = set(_USED.findall(svg))
    svg = _NAMED.sub(lambda found: found[0] if found[2] in used else found[1], svg)
    svg = re.sub(r"<[^>]+>", lambda tag: _LONG.sub(_rounded, tag[0]), svg)
    svg = re.sub(r"\s*\n\s*", " ", re.sub(r">\s+<", "><", svg))
    shapes = {found[1]: found[2] for found in _SHAPE.finditer(svg)}
    return _DOTS.sub(lambda dots: _as_markers(dots, shapes), svg)


def _as_markers(dots: re.Match[str], shapes: dict[str, str]) -> str:
    """A cloud of equal dots as one line whose corners are marked and which is not drawn itself."""
    if dots[1] not in shapes:
        return dots[0]
    places = _AT.findall(dots[0])
    name = f"{dots[1]}-{places[0][0]}-{places[0][1]}"
    line = " ".join(f"{'L' if i else 'M'}{x} {y}" for i, (x, y) in enumerate(places))
    return (
        f'<marker id="{name}" markerUnits="userSpaceOnUse" overflow="visible"><path d="{shapes[dots[1]]}" style="{dots[2]}"/>'
        f'</marker><path d="{line}" style="fill: none; stroke: none; marker: url(#{name})"/>'
    )


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}" if abs(float(number[0])) >= 2 else number[0]
