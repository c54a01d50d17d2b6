"""Model cards that a program can read, and the checks that hold a checkpoint to its card."""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from safetensors import SafetensorError, safe_open

CARD = "README.md"
WEIGHTS = "model.safetensors"

TOLERANCE = 0.005
"""How far a metric measured again may differ from its card.

The seeds give the same pictures and the weights are the same, so nothing is sampled anew, and the
same machine finds the same value to the last digit. What is left is the rounding of another
processor or thread count, which can tip a picture whose two best classes nearly tie. 5 pictures in
1,000 leave room for that, and are fewer than any real change of a model or of its data would move.
"""


class CheckpointError(ValueError):
    """A checkpoint folder is incomplete, damaged, or not what its card says."""


@dataclass(frozen=True)
class Metric:
    """One measured number: on which split and seeds, and over how many pictures."""

    name: str
    value: float
    split: str
    n: int
    seeds: tuple[int, int]  # first and last


@dataclass(frozen=True)
class Card:
    """The machine-readable head of a model card."""

    path: Path
    license: str
    model_class: str
    parameters: int
    bytes: int
    training_minutes: float
    data: Mapping[str, Any]
    metrics: tuple[Metric, ...]

    def metric(self, name: str) -> Metric:
        """The metric of that name; CheckpointError where the card has none."""
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise CheckpointError(f"{self.path}: no metric named {name!r} under metrics; add it")


def _number(path: Path, where: str, value: object, kind: type[int] | type[float]) -> Any:
    allowed = (int,) if kind is int else (int, float)
    if isinstance(value, bool) or not isinstance(value, allowed):
        noun = "a whole number" if kind is int else "a number"
        raise CheckpointError(f"{path}: {where} must be {noun}, not {value!r}")
    return kind(value)


def _text(path: Path, where: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise CheckpointError(f"{path}: {where} must be a text, not {value!r}")
    return value


def _metric(path: Path, number: int, entry: object) -> Metric:
    where = f"metrics[{number}]"
    if not isinstance(entry, dict):
        raise CheckpointError(f"{path}: {where} must have the fields name, value, split, n, seeds")
    for field in ("name", "value", "split", "n", "seeds"):
        if field not in entry:
            raise CheckpointError(f"{path}: {where} has no field {field!r}; add it")
    seeds = entry["seeds"]
    if not isinstance(seeds, list) or len(seeds) != 2:
        raise CheckpointError(f"{path}: {where}.seeds must be [first, last], not {seeds!r}")
    return Metric(
        name=_text(path, f"{where}.name", entry["name"]),
        value=_number(path, f"{where}.value", entry["value"], float),
        split=_text(path, f"{where}.split", entry["split"]),
        n=_number(path, f"{where}.n", entry["n"], int),
        seeds=(
            _number(path, f"{where}.seeds", seeds[0], int),
            _number(path, f"{where}.seeds", seeds[1], int),
        ),
    )


def read_card(folder: Path) -> Card:
    """The card of a checkpoint folder.

    Raises:
        CheckpointError: Where the card or its YAML head is missing, or a field is missing or
            malformed; the message names the file and the field or the line.
    """
    path = folder / CARD
    if not path.is_file():
        raise CheckpointError(f"{path}: the model card is missing; train the checkpoint again")
    lines = path.read_text(encoding="utf-8").split("\n")
    if lines[0] != "---" or "---" not in lines[1:]:
        raise CheckpointError(f"{path}: line 1 must open a YAML head between two lines of ---")
    head = "\n".join(lines[1 : lines.index("---", 1)])
    try:
        fields = yaml.safe_load(head)
    except yaml.MarkedYAMLError as error:
        # The head starts on the file's second line, and YAML counts lines from 0.
        line = error.problem_mark.line + 2 if error.problem_mark else 2
        raise CheckpointError(f"{path}: line {line} is not YAML: {error.problem}") from None
    if not isinstance(fields, dict):
        raise CheckpointError(f"{path}: the YAML head must hold fields, one `name: value` a line")
    needed = ("license", "model_class", "parameters", "bytes", "training_minutes", "data")
    for field in (*needed, "metrics"):
        if field not in fields:
            raise CheckpointError(f"{path}: the YAML head has no field {field!r}; add it")
    if not isinstance(fields["data"], dict):
        raise CheckpointError(f"{path}: data must hold fields, not {fields['data']!r}")
    if not isinstance(fields["metrics"], list) or not fields["metrics"]:
        raise CheckpointError(f"{path}: metrics must be a list of at least one metric")
    return Card(
        path=path,
        license=_text(path, "license", fields["license"]),
        model_class=_text(path, "model_class", fields["model_class"]),
        parameters=_number(path, "parameters", fields["parameters"], int),
        bytes=_number(path, "bytes", fields["bytes"], int),
        training_minutes=_number(path, "training_minutes", fields["training_minutes"], float),
        data=fields["data"],
        metrics=tuple(_metric(path, i, entry) for i, entry in enumerate(fields["metrics"])),
    )


def write_card(folder: Path, fields: Mapping[str, Any], prose: str) -> None:
    """Write the card: the fields as its YAML head, then the prose."""
    head = yaml.safe_dump(dict(fields), sort_keys=False, allow_unicode=True, width=100)
    (folder / CARD).write_text(f"---\n{head}---\n\n{_wrapped(prose)}\n", encoding="utf-8")


def _wrapped(prose: str) -> str:
    """Paragraphs and list items filled to 100 columns; headings and tables as they are."""
    blocks = []
    for block in prose.strip().split("\n\n"):
        if block.lstrip().startswith("- "):
            items = block.strip()[2:].split("\n- ")
            filled = [
                textwrap.fill(" ".join(f"- {item}".split()), 100, subsequent_indent="  ", break_on_hyphens=False)
                for item in items
            ]
            blocks.append("\n".join(filled))
        elif block.lstrip().startswith(("#", "|")):
            blocks.append(block.strip())
        else:
            blocks.append(textwrap.fill(" ".join(block.split()), 100, break_on_hyphens=False))
    return "\n\n".join(blocks)


def count_parameters(folder: Path, weights: str = WEIGHTS) -> int:
    """Numbers in the weight file of a checkpoint.

    Args:
        folder: The checkpoint.
        weights: Name of the weight file: an adapter's is "adapter_model.safetensors".

    Raises:
        CheckpointError: Where the folder or its weights are missing, cut short or damaged.
    """
    path = folder / weights
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: the checkpoint folder is missing; train it first")
    if not path.is_file():
        raise CheckpointError(f"{path}: the weights are missing; train the checkpoint again")
    total = 0
    try:
        with safe_open(path, framework="numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - not a mapping
                size = 1
                for edge in tensors.get_slice(name).get_shape():
                    size *= edge
                total += size
    except SafetensorError as error:
        raise CheckpointError(
            f"{path}: the weights are cut short or damaged ({error}); restore the file or train the checkpoint again"
        ) from None
    return total


def check_checkpoint(
    folder: Path,
    measure: Callable[[Path, Metric], float],
    tolerance: float = TOLERANCE,
    weights: str = WEIGHTS,
    items: str = "pictures",
) -> Card:
    """Hold a checkpoint to its card.

    Args:
        folder: The checkpoint.
        measure: Measures one of the card's metrics again, on the seeds that it names.
        tolerance: Largest difference of a metric from the card.
        weights: Name of the weight file.
        items: What was measured, in the plural, for the message.

    Returns:
        The card, if everything agrees.

    Raises:
        CheckpointError: One message that names the file: missing or damaged weights, a missing or
            malformed card, or a card that says something else than what is found.
    """
    parameters = count_parameters(folder, weights)
    card = read_card(folder)
    if card.parameters != parameters:
        raise CheckpointError(f"{card.path}: parameters says {card.parameters}, the weights hold {parameters}")
    size = (folder / weights).stat().st_size
    if card.bytes != size:
        raise CheckpointError(f"{card.path}: bytes says {card.bytes}, the weights have {size}")
    for metric in card.metrics:
        found = measure(folder, metric)
        if abs(found - metric.value) > tolerance:
            raise CheckpointError(
                f"{card.path}: {metric.name} says {metric.value:.4f}, but measured again on the "
                f"same {metric.n} {items} it is {found:.4f}; correct the card or train again"
            )
    return card


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A new folder to write into, which takes the place of `folder` when the block succeeds.

    Whatever ends the block early, an interrupt included, leaves `folder` as it was.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}.new")
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    fresh.mkdir()
    try:
        yield fresh
        if folder.exists():
            os.replace(folder, old)
        try:
            os.replace(fresh, folder)
        except BaseException:
            if old.exists():
                os.replace(old, folder)
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
