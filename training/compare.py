"""`python -m training.compare` times all vision checkpoints on this machine and writes the table that compares them.

All but the times comes from the cards. Times are taken here and now, one checkpoint after the other, because those of the cards
come from different moments of a shared machine.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from datetime import date
from importlib.metadata import version
from pathlib import Path

from tqdm import tqdm

from training import cards, dense

CHECKPOINTS = Path("checkpoints")
TABLE = Path("docs/outputs/vision-checkpoints.txt")
GENERATOR = "sample_data.scenes"

HEADLINES = {
    "accuracy": "accuracy",
    "AP50": "AP50",
    "AP": "AP",
    "PQ": "PQ",
    "mask AP": "mask AP",
    "abs_rel": "absolute relative error",
    "abs_rel_objects": "on objects",
}
"""The metrics that stand for a checkpoint in the table, by their names in the cards, and what the table calls them."""


def vision_cards(folder: Path = CHECKPOINTS) -> dict[str, cards.Card]:
    """Cards of the checkpoints that were trained on rendered scenes, by the checkpoint's name."""
    found = {path.parent.name: cards.read_card(path.parent) for path in sorted(folder.glob(f"*/{cards.CARD}"))}
    return {name: card for name, card in found.items() if card.data.get("generator") == GENERATOR}


def row(name: str, card: cards.Card, milliseconds: float | None) -> str:
    """One line of the table; without a time where None."""
    values = {metric.name: metric.value for metric in card.metrics}
    score = ", ".join(f"{said} {values[key]:.3f}" for key, said in HEADLINES.items() if key in values)
    time = "" if milliseconds is None else f"{milliseconds:.1f} |"
    return (
        f"| `{name}` | {card.parameters:,} | {card.bytes / 1e6:.1f} | {card.training_minutes:.0f} | "
        f"{score} (n = {card.metrics[0].n:,}) | {time}"
    )


def table(found: Mapping[str, cards.Card], times: Mapping[str, float]) -> str:
    """The comparison as Markdown.

    Args:
        found: Cards by the checkpoint's name.
        times: Milliseconds a picture, for each of them.
    """
    lines = [
        "| checkpoint | parameters | MB | training minutes | held-out score | ms a picture |",
        "| --- | ---: | ---: | ---: | --- | ---: |",
        *(row(name, found[name], times[name]) for name in sorted(found, key=lambda name: found[name].parameters)),
        "",
        f"Times are medians on one core of {platform.machine()} with its processor included, one picture of 96 × 96 pixels "
        f"at a time, taken on {date.today().isoformat()} with torch {version('torch').split('+')[0]} and transformers "
        f"{version('transformers')}. The rest comes from the checkpoints' cards. Parameters are all numbers of the weight "
        f"file, the statistics of normalisation layers included.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Time every checkpoint and write the table, whole or not at all."""
    found = vision_cards()
    times = {name: dense.milliseconds(CHECKPOINTS / name) for name in tqdm(found, "timing")}
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    part = TABLE.with_name(f".{TABLE.name}.{os.getpid()}.part")
    try:
        part.write_text(table(found, times), "utf-8")
        os.replace(part, TABLE)
    finally:
        part.unlink(missing_ok=True)
    print(TABLE.read_text("utf-8"))


if __name__ == "__main__":
    main()
