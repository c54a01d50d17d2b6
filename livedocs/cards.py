"""Numbers of a page that come from a checkpoint's card: `[0.994](card:vit-scenes/accuracy)`.

A card is the `README.md` beside a checkpoint's weights; its YAML head holds what was measured. The number in the words must
be the card's, rounded to the places that are shown. `99.4 %`, `99.4 per cent`, `1.25 million` and `5.0 MB` are understood.

The name behind the slash is that of a metric or a field, in lower case and with hyphens: `ap50`, `parameters`,
`baselines-tfidf-same-tokens-accuracy`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = "checkpoints"
PAGE = "checkpoints.md"
"""The page that describes the checkpoints, in the folder of the pages; the name of each is an anchor there."""

_NUMBER = re.compile(r"\d[\d,]*(?:\.(?P<places>\d+))?")
_SCALES = {"%": 100.0, "per cent": 100.0, "million": 1e-6, "MB": 1e-6}


def numbers(card: Path) -> dict[str, float]:
    """All numbers in the head of a card, by their names."""
    stat = card.stat()
    return _read(card, stat.st_mtime_ns)


@lru_cache(maxsize=64)
def _read(card: Path, changed: int) -> dict[str, float]:
    del changed  # only the cache's key
    head = yaml.safe_load(card.read_text("utf-8").split("---\n")[1])
    metrics = {str(metric["name"]): metric["value"] for metric in head.get("metrics", [])}
    samples = {f"{metric['name']} n": metric["n"] for metric in head.get("metrics", []) if "n" in metric}
    return dict(_flat({**head, **metrics, **samples}, ()))


def _flat(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _flat(one, (*path, str(key)))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield re.sub(r"[^a-z0-9]+", "-", " ".join(path).lower()).strip("-"), float(value)


def mistake(words: str, target: str, root: Path) -> str | None:
    """What is wrong with the words of a link to a card, or None.

    Args:
        words: What a reader sees, such as `99.4 %`.
        target: What stands behind `card:`, such as `vit-scenes/accuracy`.
        root: The project's root.
    """
    name, _, field = target.partition("/")
    card = root / FOLDER / name / "README.md"
    if not card.exists():
        return f"there is no {FOLDER}/{name}/README.md; write card:checkpoint/metric"
    known = numbers(card)
    if field not in known:
        return f"the card of '{name}' has no number '{field}'; it has: {', '.join(sorted(known))}"
    shown = _NUMBER.search(words)
    if shown is None:
        return f"'{words}' holds no number; the card of '{name}' says {known[field]:g}"
    scale = next((factor for unit, factor in _SCALES.items() if unit in words[shown.end() :]), 1.0)
    places = len(shown["places"] or "")
    value = float(shown[0].replace(",", ""))
    if abs(known[field] * scale - value) > 0.5 * 10**-places + 1e-9:
        return f"'{words}' is not what the card of '{name}' says: {known[field] * scale:.{places + 1}f}"
    return None
