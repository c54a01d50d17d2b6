"""The colours: one source, readable in both themes, and figures that follow the theme."""

from __future__ import annotations

import io
import re
from itertools import combinations
from pathlib import Path

import pytest

from livedocs import palette
from livedocs.palette import COLOURS, CONCEPTS, CYCLE, NEUTRALS, STYLE, SYNTAX, contrast, themed

ROOT = Path(__file__).parents[1]
SURFACES = ("paper", "card", "code-bg", "output-bg")
TEXTS = {
    **CONCEPTS,
    **SYNTAX,
    **{name: NEUTRALS[name] for name in ("fg", "fg-soft", "accent")},
}


def test_the_style_sheet_is_the_palette() -> None:
    written = (ROOT / "docs/assets/stylesheets/palette.css").read_text("utf-8")
    assert written == palette.css(), "run `python -m livedocs.palette`"


def test_light_colours_are_pairwise_different() -> None:
    for (one, (light, _)), (other, (other_light, _)) in combinations(COLOURS.items(), 2):
        assert light.lower() != other_light.lower(), f"{one} and {other} cannot be told apart in a figure"


def test_colours_are_written_alike() -> None:
    for pair in COLOURS.values():
        assert all(re.fullmatch(r"#[0-9a-f]{6}", colour) for colour in pair)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("name", TEXTS)
def test_text_can_be_read(name: str, theme: int) -> None:
    for surface in SURFACES:
        ratio = contrast(TEXTS[name][theme], NEUTRALS[surface][theme])
        assert ratio >= 4.5, f"{name} on {surface}: {ratio:.2f}"


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_lines_of_figures_can_be_seen(theme: int) -> None:
    for surface in SURFACES:
        assert contrast(NEUTRALS["line-strong"][theme], NEUTRALS[surface][theme]) >= 3


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_can_be_read_on_the_mark(theme: int) -> None:
    for name in ("fg", *SYNTAX):
        assert contrast(COLOURS[name][theme], NEUTRALS["mark"][theme]) >= 4.5, name


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_themed_replaces_colours_wherever_they_stand() -> None:
    light = CONCEPTS["query"][0]
    svg = f'<path fill="{light.upper()}" style="stroke: {light}"/><path fill="#123456"/>'
    assert themed(svg) == '<path fill="var(--ld-query)" style="stroke: var(--ld-query)"/><path fill="#123456"/>'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "style=\"font: 9.5px 'DejaVu Sans', sans-serif; fill: red\"",
            'style="font-size: 9.5px; font-family: inherit; fill: red"',
        ),
        ("style=\"font: bold 12px 'A B', Arial\"", 'style="font-weight: bold; font-size: 12px; font-family: inherit"'),
        (
            "style=\"font-size: 9px; font-family: 'A', B; fill: red\"",
            'style="font-size: 9px; font-family: inherit; fill: red"',
        ),
        ('<text font-family="Arial">', '<text font-family="inherit">'),
    ],
)
def test_themed_takes_the_fonts_of_the_page(before: str, after: str) -> None:
    assert themed(before) == after


def test_an_unknown_colour_is_an_error() -> None:
    with pytest.raises(KeyError, match="no colour 'qurey'"):
        palette.variable("qurey")


def test_the_cycle_of_the_style_is_the_palette() -> None:
    import matplotlib as mpl
    import matplotlib.style

    with mpl.rc_context():
        mpl.style.use(STYLE)
        cycle = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    assert cycle == [CONCEPTS[name][0] for name in CYCLE]


def test_a_figure_follows_the_theme() -> None:
    import matplotlib as mpl
    import matplotlib.style
    import numpy as np
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context():
        mpl.style.use(STYLE)
        figure = Figure()
        FigureCanvasSVG(figure)
        left, right = figure.subplots(1, 2)
        for slope in range(len(CYCLE)):
            left.plot([0, 1], [0, slope], label=f"line {slope}")
        left.set(title="A title", xlabel="x", ylabel="y")
        left.legend()
        left.grid(True)
        left.annotate("a note", (0.5, 0.5), xytext=(0.2, 3), arrowprops={"arrowstyle": "->", "color": "C5"})
        right.hist(np.linspace(0, 1, 20) ** 2)
        right.boxplot([[1, 2, 3]])
        written = io.StringIO()
        figure.savefig(written, format="svg")
    svg = written.getvalue()
    assert CONCEPTS["input"][0] in svg
    result = themed(svg)
    left_over = set(re.findall(r"#[0-9a-f]{6}\b", result)) & {light for light, _ in COLOURS.values()}
    assert not left_over
    assert "DejaVu" not in result
    for name in (*CYCLE, "fg", "fg-soft", "line", "line-strong"):
        assert f"var(--ld-{name})" in result, name
    assert "<text" in result, "text must stay text"


def test_the_fonts_come_with_their_licence() -> None:
    folder = ROOT / "docs/assets/fonts"
    fonts = list(folder.glob("*.woff2"))
    assert sum(font.stat().st_size for font in fonts) < 200_000
    assert "SIL OPEN FONT LICENSE" in (folder / "LICENSE.txt").read_text("utf-8")
    sheet = (ROOT / "docs/assets/stylesheets/site.css").read_text("utf-8")
    assert {font.name for font in fonts} == set(re.findall(r"fonts/([\w-]+\.woff2)", sheet))


def test_the_style_sheets_load_nothing_from_elsewhere() -> None:
    for sheet in (ROOT / "docs/assets/stylesheets").glob("*.css"):
        text = sheet.read_text("utf-8")
        assert "@import" not in text
        assert not re.search(r"url\(\s*[\"']?(?:https?:)?//", text), sheet.name


def test_every_variable_of_the_style_sheet_exists() -> None:
    sheet = (ROOT / "docs/assets/stylesheets/site.css").read_text("utf-8")
    used = set(re.findall(r"var\(--ld-([\w-]+)", sheet))
    own = set(re.findall(r"^\s*--ld-([\w-]+):", sheet, re.MULTILINE)) | {"columns"}
    assert used <= set(COLOURS) | own
