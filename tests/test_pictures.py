"""Recorded drawings as a page shows them: light, in a box of their size, and the same to look at."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from livedocs.pictures import framed, pictures, with_files, write_pictures


def image(data: bytes, x: float) -> str:
    """A picture as Matplotlib writes it into an SVG."""
    text = base64.b64encode(data).decode()
    return (
        f'<image xlink:href="data:image/webp;base64,{text}" id="toy-image{x:g}" transform="scale(1 -1) translate(0 -80)"'
        f' x="{x}" y="-20" width="100.4" height="80"/>'
    )


def svg(content: str) -> str:
    return f'<svg viewBox="0 0 332.5 200" style="max-width: 443px; stroke-linejoin: round">\n {content}\n</svg>'


def test_equal_pictures_share_a_file(tmp_path: Path) -> None:
    """Protects the size of the site, and the order of pictures: what repeats is stored once, and shown where it stands."""
    figure = tmp_path / "map-1.svg"
    figure.write_text(svg(image(b"one", 0) + image(b"two", 100) + image(b"one", 200)), "utf-8")
    write_pictures(figure)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.webp")} == {
        "map-1-picture1.webp": b"one",
        "map-1-picture2.webp": b"two",
    }
    shown = with_files(figure.read_text("utf-8"), figure, "../figures")
    assert re.findall(r'src="([^"]+)"', shown) == [f"../figures/map-1-picture{i}.webp" for i in (1, 2, 1)]
    assert [name for name, _ in pictures(figure.read_text("utf-8"), "map-1")] == [
        f"map-1-picture{i}.webp" for i in (1, 2, 1)
    ]


def test_a_picture_waits_at_its_place(tmp_path: Path) -> None:
    """Protects figures: a picture keeps its place and turns, is fetched when it comes near, and a missing file is named."""
    figure = tmp_path / "map-1.svg"
    drawing = svg(image(b"one", 12.5) + '<image href="kept.png"/>')
    figure.write_text(drawing, "utf-8")
    with pytest.raises(FileNotFoundError) as caught:
        with_files(drawing, figure, ".")
    assert caught.value.filename == str(tmp_path / "map-1-picture1.webp")
    write_pictures(figure)
    assert (
        '<foreignObject transform="scale(1 -1) translate(0 -80)" x="12.5" y="-20" width="100.4" height="80">'
        '<img src="./map-1-picture1.webp" alt="" width="100" height="80" loading="lazy"></foreignObject><image href="kept.png"/>'
        in with_files(drawing, figure, ".")
    )


def test_a_box_has_the_size_of_its_drawing() -> None:
    """Protects readers from a page that jumps: shape and greatest width are known before the drawing is laid out."""
    box = framed(svg(""), 'A "map" & more')
    assert box.startswith(
        '<div class="ld-drawing" style="aspect-ratio: 332.5 / 200; max-width: 443px"><svg role="img" '
    )
    assert 'aria-label="A &quot;map&quot; &amp; more"' in box
    wide = framed(
        '<svg class="ld-diagram__svg ld-diagram__svg--wide" viewBox="0 0 784 1583" style="--ld-columns: 2"></svg>'
    )
    assert wide.startswith(
        '<div class="ld-drawing ld-diagram__frame ld-diagram__frame--wide" style="aspect-ratio: 784 / 1583; --ld-columns: 2">'
    )


def test_a_figure_loses_only_what_nobody_sees() -> None:
    """Protects what a figure says: its words, small factors and names that something refers to stay as they are."""
    content = (
        '<g id="unused"><clipPath id="used"><rect x="20.123456" y="-7.99999" width="3" height="0.123456"/></clipPath>\n'
        '  <path d="M 100.987654 12.5 \nL 0.015625 7.123456" clip-path="url(#used)" transform="scale(0.015625)"/>\n'
        "  <text>12.345678 of 2.71828</text></g>"
    )
    inside = framed(svg(content), "Words")
    assert '<g><clipPath id="used"><rect x="20.12" y="-8.00" width="3" height="0.123456"/></clipPath><path' in inside
    assert 'd="M 100.99 12.5 L 0.015625 7.12" clip-path="url(#used)" transform="scale(0.015625)"/><text>' in inside
    assert "<text>12.345678 of 2.71828</text>" in inside


def test_many_equal_dots_become_one_line() -> None:
    """Protects readers of a page with a cloud of points: every point keeps its place, in one element for all of them."""
    shape = '<defs><path id="dot" d="M 0 1 L 1 0 z" style="stroke: red"/></defs>'

    def dots(n: int, colour: str) -> str:
        return "\n".join(f'<use xlink:href="#dot" x="{10 + i}" y="{2 * i}" style="fill: {colour}"/>' for i in range(n))

    inside = framed(svg(shape + dots(30, "blue") + dots(5, "green")), "Dots")
    assert inside.count("<use") == 5
    marker = re.search(r'<marker id="([^"]+)"[^>]*><path d="([^"]+)" style="([^"]+)"/></marker>', inside)
    assert marker
    assert marker.groups()[1:] == ("M 0 1 L 1 0 z", "fill: blue")
    line = re.search(rf'<path d="([^"]+)" style="fill: none; stroke: none; marker: url\(#{marker[1]}\)"/>', inside)
    assert line
    assert line[1].replace("L", "M").split("M")[1:] == [
        f"{10 + i} {2 * i} "[: None if i < 29 else -1] for i in range(30)
    ]
