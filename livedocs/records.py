"""Records: what a run of a snippet produced, kept under `docs/outputs/` and committed.

    docs/outputs/vit/vit.py, vit.ipynb          the snippet, to download
    docs/outputs/vit/compact/record.json        versions, day, durations, claims, names of the library, and what each figure shows
    docs/outputs/vit/compact/patches.txt        what the cell printed
    docs/outputs/vit/compact/patches-1.svg      its first figure (or .png)
    docs/outputs/vit/compact/patches-1-picture1.webp    the first picture inside it
    docs/outputs/vit/compact/speech-1.wav       its first sound

A record is replaced as a whole: a run that is interrupted leaves the old one as it was.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from livedocs.capture import PlayedAudio, ShownFigure
from livedocs.compare import EXACT, Tolerance, content_difference, text_difference
from livedocs.errors import DocsError
from livedocs.library import Definition
from livedocs.pictures import write_pictures
from livedocs.runner import CellRun
from livedocs.snippets import Cell, Snippet


@dataclass(frozen=True)
class RecordedFile:
    """A figure or a sound of a record.

    Attributes:
        file: Its name in the record's folder.
        content: Its description, for comparing.
    """

    file: str
    content: dict[str, Any]


@dataclass(frozen=True)
class RecordedCell:
    """What the record holds of one cell."""

    name: str
    digest: str
    seconds: float
    text: str
    figures: tuple[RecordedFile, ...]
    audio: tuple[RecordedFile, ...]


@dataclass(frozen=True)
class Record:
    """The record of a snippet in one profile.

    Attributes:
        folder: Where it lies.
        versions: Versions of Python and of the packages that ran it.
        recorded: The day on which it ran, as `2026-11-25`.
        library: What the names of the library in the snippet lead to, by the dotted name in its code.
        cells: What each cell gave, by its name.
    """

    folder: Path
    versions: dict[str, str]
    recorded: str
    library: dict[str, Definition]
    cells: dict[str, RecordedCell]


class Records:
    """The records of a project.

    Args:
        outputs: The folder `docs/outputs`.
        root: Errors name files relative to this folder.
    """

    def __init__(self, outputs: Path, root: Path) -> None:
        self.outputs = outputs
        self.root = root
        self._read: dict[Path, Record] = {}

    def folder(self, snippet: Snippet) -> Path:
        """Where the record of a snippet in its profile lies."""
        return self.outputs / snippet.name / snippet.profile

    def read(self, snippet: Snippet) -> Record:
        """The record of a snippet in its profile.

        Raises:
            DocsError: There is none, it is damaged, or a file that it names is missing.
        """
        folder = self.folder(snippet)
        if folder in self._read:
            return self._read[folder]
        file = folder / "record.json"
        shown = self.shown(file)
        how = f"run `make record ONLY={snippet.name}`"
        _recover(folder)
        if not file.exists():
            raise DocsError(
                f"{shown} is missing, so {snippet.file} has no recorded output; {how}", file=snippet.file, line=1
            )
        try:
            data = json.loads(file.read_text("utf-8"))
            cells = {cell["name"]: self._cell(folder, cell) for cell in data["cells"]}
            library = {path: Definition(**definition) for path, definition in data["library"].items()}
            record = Record(folder, data["versions"], data["recorded"], library, cells)
        except FileNotFoundError as error:
            missing = self.shown(Path(str(error.filename)))
            raise DocsError(f"the record names {missing}, which is missing; {how}", file=shown, line=1) from None
        except (ValueError, KeyError, TypeError) as error:
            raise DocsError(f"damaged record ({error!r}); {how}", file=shown, line=1) from None
        self._read[folder] = record
        return record

    def shown(self, file: Path) -> Path:
        """How a file is named in messages."""
        return file.relative_to(self.root) if file.is_relative_to(self.root) else file

    @staticmethod
    def _cell(folder: Path, data: dict[str, Any]) -> RecordedCell:
        text = (folder / f"{data['name']}.txt").read_text("utf-8") if data["printed"] else ""
        files = {}
        for key in ("figures", "audio"):
            files[key] = tuple(RecordedFile(item["file"], item["content"]) for item in data[key])
            for item in files[key]:
                if not (folder / item.file).exists():
                    raise FileNotFoundError(2, "missing", str(folder / item.file))
        return RecordedCell(data["name"], data["digest"], data["seconds"], text, files["figures"], files["audio"])

    def cell(self, snippet: Snippet, cell: Cell) -> RecordedCell:
        """What is recorded of a cell.

        Raises:
            DocsError: Nothing is, or it was recorded from other code than the snippet has now.
        """
        record = self.read(snippet)
        how = f"run `make record ONLY={snippet.name}`"
        if cell.name not in record.cells:
            raise DocsError(f"cell '{cell.name}' is not in the record; {how}", file=snippet.file, line=cell.line)
        recorded = record.cells[cell.name]
        if recorded.digest != snippet.digest(cell.name):
            raise DocsError(
                f"the record of cell '{cell.name}' is stale: this cell or one above it has changed since; {how}",
                file=snippet.file,
                line=cell.line,
            )
        return recorded

    def compare(self, snippet: Snippet, run: CellRun, tolerance: Tolerance = EXACT) -> None:
        """Hold a run of a cell against its record.

        Args:
            snippet: The snippet, in the profile that was recorded.
            run: What the cell gave.
            tolerance: By how much it may differ.

        Raises:
            DocsError: It printed, showed or played something else than the page shows.
        """
        cell = snippet.cell(run.name)
        recorded = self.cell(snippet, cell)
        how = f"if the new output is right, run `make record ONLY={snippet.name}`"

        def differs(what: str) -> DocsError:
            return DocsError(f"cell '{cell.name}' ({snippet.profile}) {what}\n{how}", file=snippet.file, line=cell.line)

        if difference := text_difference(recorded.text, run.output.text, tolerance):
            raise differs(f"prints something else than the page shows:\n{difference}")
        pairs: list[tuple[str, Sequence[RecordedFile], Sequence[ShownFigure | PlayedAudio]]] = [
            ("figure", recorded.figures, run.output.figures),
            ("sound", recorded.audio, run.output.audio),
        ]
        for kind, before, now in pairs:
            if len(before) > len(now):
                raise differs(f"lost a {kind}: {len(before)} recorded, {len(now)} now")
            if len(before) < len(now):
                raise differs(f"has a new {kind}: {len(before)} recorded, {len(now)} now")
            for i, (old, new) in enumerate(zip(before, now, strict=True), 1):
                if difference := content_difference(old.content, new.content, "", tolerance):
                    raise differs(f"has another {kind} {i} than the page: {difference}")

    def write(
        self, snippet: Snippet, runs: list[CellRun], versions: dict[str, str], library: dict[str, Definition]
    ) -> None:
        """Replace the record of a snippet in its profile, all of it or nothing.

        Args:
            snippet: The snippet, in the profile that ran.
            runs: The results of its cells.
            versions: Versions of the packages that ran it.
            library: What the names of the library in it lead to.
        """
        target = self.folder(snippet)
        with replacing(target) as folder:
            cells = []
            for run in runs:
                if run.output.text:
                    (folder / f"{run.name}.txt").write_text(run.output.text, "utf-8")
                figures, audio = [], []
                for i, figure in enumerate(run.output.figures, 1):
                    name = f"{run.name}-{i}.{figure.kind}"
                    (folder / name).write_bytes(figure.data)
                    if figure.kind == "svg":
                        write_pictures(folder / name)
                    figures.append({"file": name, "content": figure.content})
                for i, sound in enumerate(run.output.audio, 1):
                    name = f"{run.name}-{i}.wav"
                    (folder / name).write_bytes(sound.data)
                    audio.append({"file": name, "content": sound.content})
                cells.append(
                    {
                        "name": run.name,
                        "digest": snippet.digest(run.name),
                        "seconds": round(run.seconds, 2),
                        "printed": bool(run.output.text),
                        "figures": figures,
                        "audio": audio,
                        "proved": run.proved,
                    }
                )
            data = {
                "snippet": str(snippet.file),
                "profile": snippet.profile,
                "recorded": date.today().isoformat(),
                "versions": versions,
                "library": {path: asdict(definition) for path, definition in library.items()},
                "cells": cells,
            }
            (folder / "record.json").write_text(_compact_json(data) + "\n", "utf-8")
        self._read.pop(target, None)


def _compact_json(data: dict[str, Any]) -> str:
    """JSON with a line for each cell and each file, so that a changed record reads well in a diff."""
    text = json.dumps(data, indent=1, ensure_ascii=False)
    return re.sub(
        r"\[\s+((?:[-\d.e+]+|null)(?:,\s+(?:[-\d.e+]+|null))*)\s+\]",
        lambda m: "[" + re.sub(r"\s+", " ", m[1]) + "]",
        text,
    )


def _recover(target: Path) -> Path:
    """Where `target` is put aside while it is replaced; put back, where a swap was cut off between its two steps."""
    aside = target.with_name(f".{target.name}.old")
    if not target.exists():
        with contextlib.suppress(OSError):
            os.rename(aside, target)
    return aside


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A new folder that takes the place of `target` when the block ends well, and vanishes when it does not.

    Yields:
        The empty folder to fill.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = _recover(target)
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    folder.chmod(0o755)
    try:
        yield folder
        shutil.rmtree(aside, ignore_errors=True)
        if target.exists():
            os.rename(target, aside)
        os.rename(folder, target)
        shutil.rmtree(aside, ignore_errors=True)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
