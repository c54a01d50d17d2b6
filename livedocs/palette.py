"""The site's colours: one colour a concept, on every page, in every figure and diagram.

This module is their one source. `python -m livedocs.palette` writes them to the style sheet as the variables
`--ld-<name>`, in a light and a dark version. Figures are drawn with the light colours; `themed` then puts the variables in
their place, so that a recorded figure follows the reader's theme.
"""

from __future__ import annotations

import re
from pathlib import Path

Pair = tuple[str, str]
"""A colour on light paper and the same one on dark paper, as `#rrggbb`."""

CONCEPTS: dict[str, Pair] = {
    "input": ("#2464a8", "#7fb4ee"),
    "patch": ("#0b7590", "#5cc3de"),
    "token": ("#087767", "#57c9b3"),
    "position": ("#946000", "#e2b04e"),
    "cls": ("#c03f10", "#ff9a6b"),
    "attention": ("#6d48c0", "#b39df5"),
    "query": ("#b12a68", "#f58cb8"),
    "key": ("#3a7a1e", "#93cf72"),
    "value": ("#2f5bd0", "#8fb0ff"),
    "encoder": ("#1a6a78", "#6fc2cf"),
    "decoder": ("#8a5030", "#dca684"),
    "hidden": ("#586274", "#a9b3c4"),
    "output": ("#217a46", "#6fce95"),
    "loss": ("#96404c", "#e99ba5"),
    "correct": ("#1c7d3b", "#66d089"),
    "wrong": ("#c4283c", "#ff8a92"),
}
"""Concept to colour. Every one can be read as text on the paper, in both themes."""

NEUTRALS: dict[str, Pair] = {
    "accent": ("#7c2a5c", "#e79cc9"),
    "accent-soft": ("#f3e6ee", "#3a2534"),
    "fg": ("#211f1c", "#e9e6e0"),
    "fg-soft": ("#5d5850", "#b1aca3"),
    "line": ("#ddd7cb", "#3a3d46"),
    "line-strong": ("#8b857a", "#7d808a"),
    "paper": ("#fcfaf5", "#16181d"),
    "card": ("#fffefb", "#1d2026"),
    "code-bg": ("#f5f1e8", "#1b1e24"),
    "output-bg": ("#fdfcfa", "#14161a"),
    "mark": ("#fbeecb", "#37311c"),
}
"""What is not a concept: text, lines and surfaces."""

SYNTAX: dict[str, Pair] = {
    "syn-comment": ("#6a645a", "#9d988f"),
    "syn-keyword": ("#7c2a5d", "#e79cca"),
    "syn-function": ("#24559c", "#8db9f0"),
    "syn-string": ("#2c6b2f", "#9ccf87"),
    "syn-number": ("#9a4312", "#f0a878"),
    "syn-constant": ("#6741b4", "#bca9f7"),
    "syn-operator": ("#58534b", "#b9b4ab"),
    "syn-name": ("#262320", "#e6e3dc"),
}
"""Highlighted code. Pairwise different from all else too, so that `themed` is unambiguous."""

CYCLE: tuple[str, ...] = (
    "input",
    "attention",
    "cls",
    "position",
    "output",
    "hidden",
    "encoder",
    "decoder",
)
"""The concepts behind Matplotlib's colours C0 to C7, in this order."""

COLOURS: dict[str, Pair] = {**CONCEPTS, **NEUTRALS, **SYNTAX}

STYLE = Path(__file__).with_name("figures.mplstyle")
"""The Matplotlib style of every figure of the site."""

_STYLE_SHEET = Path(__file__).parents[1] / "docs/assets/stylesheets/palette.css"
_NAME_OF_LIGHT = {light: name for name, (light, _) in COLOURS.items()}
_HEX = re.compile(r"#[0-9a-fA-F]{6}\b")
_FONT_FAMILY = re.compile(r"(font-family:\s*)(?:'[^']*'|&quot;.*?&quot;|[^;\"'])+")
_FONT_SHORTHAND = re.compile(
    r"(?P<start>\bfont:\s*)(?P<style>(?:(?:italic|oblique|bold|normal|\d00)\s+)*)"
    r"(?P<size>[\d.]+px)(?:\s*/\s*[\d.]+)?\s+(?:'[^']*'|[^;\"'])+"
)
_FONT_ATTRIBUTE = re.compile(r"(\sfont-family=)\"[^\"]*\"")


def variable(name: str) -> str:
    """The CSS value for a colour: `variable("query")` is `var(--ld-query)`."""
    if name not in COLOURS:
        raise KeyError(f"no colour {name!r}; there are {', '.join(COLOURS)}")
    return f"var(--ld-{name})"


def css() -> str:
    """The style sheet that defines every colour as a variable, for the light and the dark theme."""

    def block(selector: str, theme: int) -> str:
        lines = [f"  --ld-{name}: {pair[theme]};" for name, pair in COLOURS.items()]
        return "\n".join([f"{selector} {{", *lines, "}"])

    return "\n\n".join(
        [
            "/* Written by `python -m livedocs.palette`. Change livedocs/palette.py instead. */",
            block(':root,\n[data-md-color-scheme="default"]', 0),
            "@media screen {\n" + _indented(block('[data-md-color-scheme="slate"]', 1)) + "\n}\n",
        ]
    )


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def themed(svg: str) -> str:
    """An SVG that follows the reader's theme: its light colours become variables, its fonts the page's.

    A colour that is not of the palette stays as it is: a photograph's or a colour map's.
    """

    def colour(match: re.Match[str]) -> str:
        name = _NAME_OF_LIGHT.get(match.group().lower())
        return variable(name) if name else match.group()

    def font(match: re.Match[str]) -> str:
        words = match["style"].split()
        style = "".join(f"font-style: {word}; " for word in words if word in {"italic", "oblique"})
        weight = "".join(f"font-weight: {word}; " for word in words if word == "bold" or word.isdigit())
        return f"{style}{weight}font-size: {match['size']}; font-family: inherit"

    svg = _FONT_SHORTHAND.sub(font, svg)
    svg = _FONT_FAMILY.sub(r"\1inherit", svg)
    svg = _FONT_ATTRIBUTE.sub(r'\1"inherit"', svg)
    return _HEX.sub(colour, svg)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours as WCAG 2 defines it, from 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


if __name__ == "__main__":
    _STYLE_SHEET.parent.mkdir(parents=True, exist_ok=True)
    _STYLE_SHEET.write_text(css(), encoding="utf-8")
