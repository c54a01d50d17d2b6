"""How one run differs from another, in words.

Text must be the same, but numbers with a decimal point may differ in their last printed place or by a thousandth, since
sums come out a little different on another processor. Whole numbers must be equal. Figures are compared by what they
show: words, and data within half a percent of its range.

What training decides differs more: a sum that comes out otherwise in its last digit leads to slightly other weights, and
these to a slightly other metric. `LEARNED` says how much is accepted there.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any

RELATIVE = 1e-3
"""Relative tolerance of a printed number with a decimal point."""

OF_RANGE = 5e-3
"""Tolerance of a value in a figure, as a share of the range of its data."""


@dataclass(frozen=True)
class Tolerance:
    """By how much two runs may differ.

    Attributes:
        relative: Of a printed number with a decimal point, as a share of it.
        absolute: Of such a number.
        of_range: Of a value in a figure, as a share of the range of its data.
        quotations: Whether a line that begins with `> ` is what a model wrote, and may hold other words.
    """

    relative: float = RELATIVE
    absolute: float = 0.0
    of_range: float = OF_RANGE
    quotations: bool = False


EXACT = Tolerance()
"""For what a fixed model gives."""

LEARNED = Tolerance(relative=0.1, absolute=0.05, of_range=0.2, quotations=True)
"""For what training decides."""

_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?!\w|\.\d)")


def text_difference(recorded: str, now: str, tolerance: Tolerance = EXACT) -> str | None:
    """What differs between two printed texts, as a readable list of lines; None where nothing does.

    Args:
        recorded: The text that the page shows.
        now: The text that the cell printed.
        tolerance: By how much numbers may differ.
    """
    if recorded == now:
        return None
    before, after = recorded.splitlines(), now.splitlines()
    lines = [
        old if old is not None and new is not None and _same_line(old, new, tolerance) else new
        for old, new in zip(before + [None] * (len(after) - len(before)), after, strict=False)  # type: ignore[list-item]
    ]
    if before == lines:
        return None
    diff = difflib.unified_diff(before, lines, "recorded", "now", lineterm="", n=1)  # type: ignore[type-var]
    return "\n".join(diff)


def _same_line(recorded: str, now: str, tolerance: Tolerance) -> bool:
    if recorded == now or (tolerance.quotations and recorded.startswith("> ") and now.startswith("> ")):
        return True
    if _skeleton(recorded) != _skeleton(now) or not _NUMBER.search(recorded):
        return False
    pairs = zip(_NUMBER.findall(recorded), _NUMBER.findall(now), strict=True)
    return all(_same_number(a, b, tolerance) for a, b in pairs)


def _skeleton(line: str) -> str:
    """A line without its numbers; a sign that comes or goes may shift the columns."""
    return re.sub(r"\s+", " ", re.sub(rf"\s*{_NUMBER.pattern}", " #", line)).strip()


def _same_number(recorded: str, now: str, tolerance: Tolerance) -> bool:
    if recorded == now:
        return True
    if _is_whole(recorded) or _is_whole(now):
        return _is_whole(recorded) and _is_whole(now) and int(recorded) == int(now)
    a, b = float(recorded), float(now)
    mantissa, _, exponent = recorded.lower().partition("e")
    last_place = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    return abs(a - b) <= max(1.001 * last_place, tolerance.relative * abs(a), tolerance.absolute)


def _is_whole(number: str) -> bool:
    return not any(mark in number for mark in ".eE")


def content_difference(recorded: Any, now: Any, where: str = "", tolerance: Tolerance = EXACT) -> str | None:
    """What differs between two descriptions of a figure or a sound; None where nothing does.

    Args:
        recorded: The description that was recorded, read from JSON.
        now: The description of this run.
        where: The place in it, for the message.
        tolerance: By how much values may differ. Where curves may move, the numbers at the axes may be others too.
    """
    if isinstance(recorded, dict) and isinstance(now, dict):
        if "shape" in recorded and "shape" in now:
            return _array_difference(recorded, now, where, tolerance)
        for key in sorted(recorded.keys() | now.keys()):
            if key == "ticks" and tolerance.of_range > OF_RANGE:
                continue
            place = f"{where}.{key}" if where else key
            if difference := content_difference(recorded.get(key), now.get(key), place, tolerance):
                return difference
        return None
    if isinstance(recorded, list) and isinstance(now, list):
        if len(recorded) != len(now):
            return f"{where}: {len(recorded)} were recorded, now there are {len(now)}"
        for i, (a, b) in enumerate(zip(recorded, now, strict=True)):
            if difference := content_difference(a, b, f"{where}[{i}]", tolerance):
                return difference
        return None
    if isinstance(recorded, str) and isinstance(now, str):
        return None if _same_line(recorded, now, tolerance) else f"{where}: recorded {recorded!r}, now {now!r}"
    return None if recorded == now else f"{where}: recorded {recorded!r}, now {now!r}"


def _array_difference(recorded: dict[str, Any], now: dict[str, Any], where: str, allowed: Tolerance) -> str | None:
    if recorded["shape"] != now["shape"]:
        return f"{where}: recorded shape {recorded['shape']}, now {now['shape']}"
    if "min" not in recorded or recorded["min"] is None:
        return None if recorded == now else f"{where}: recorded {recorded}, now {now}"
    low, high = float(recorded["min"]), float(recorded["max"])
    tolerance = allowed.of_range * (high - low) + 1e-6 * max(abs(low), abs(high)) + 1e-9
    for key in ("min", "max", "mean"):
        if now[key] is None or abs(recorded[key] - now[key]) > tolerance:
            return f"{where}: its {key} was {recorded[key]}, now it is {now[key]}"
    for i, (a, b) in enumerate(zip(recorded["sample"], now["sample"], strict=True)):
        if (a is None) != (b is None) or (a is not None and abs(a - b) > tolerance):
            return f"{where}: sample {i} was {a}, now it is {b}"
    return None
