"""Run the cells of a snippet, top to bottom in one namespace."""

from __future__ import annotations

import ast
import contextlib
import linecache
import logging
import os
import sys
import time
import traceback
import types
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from livedocs.capture import Captured, capturing
from livedocs.errors import DocsError
from livedocs.snippets import Cell, Snippet

_PROVED = "__livedocs_proved__"
_DEPRECATED_IN = r"(transformers|torch|__main__)(\..*)?"


class CellError(DocsError):
    """A cell raised. The message is a traceback whose lines are those of the snippet."""


@dataclass
class CellRun:
    """What running one cell gave.

    Attributes:
        name: The cell's name.
        output: What it printed, showed and played.
        seconds: Time that its code took.
        proved: Claims whose assertion ran and held.
    """

    name: str
    output: Captured
    seconds: float
    proved: list[str] = field(default_factory=list)


class Run:
    """The state of one snippet while its cells run one after the other.

    Args:
        snippet: The snippet, in the profile that shall run.
        folder: The working folder of its code; the project's root in the compact profile.
    """

    def __init__(self, snippet: Snippet, folder: Path) -> None:
        self.snippet = snippet
        self.folder = folder
        self.module = types.ModuleType("__main__")
        self.done: list[CellRun] = []
        self._index: dict[str, int] = {cell.name: i for i, cell in enumerate(snippet.cells)}
        self._position = 0
        self._failed: CellError | None = None

    def run_until(self, name: str, *, skip_trained: bool = False) -> CellRun:
        """Run the cells up to and including one, but none of them twice.

        Args:
            name: The last cell to run.
            skip_trained: Leave out cells tagged `trained`.

        Raises:
            CellError: A cell raised, or an earlier one had.
        """
        if self._failed is not None:
            raise CellError(f"not run, because an earlier cell failed: {str(self._failed).splitlines()[0]}")
        while self._position <= self._index[name]:
            cell = self.snippet.cells[self._position]
            self._position += 1
            if not (skip_trained and cell.trained):
                self.done.append(self._run(cell))
        return next(run for run in self.done if run.name == name)

    def _run(self, cell: Cell) -> CellRun:
        file = str(self.snippet.file)
        # The lines that a traceback shows are those of the profile that ran.
        linecache.cache[file] = (
            len(self.snippet.text),
            None,
            self.snippet.text.splitlines(keepends=True),
            file,
        )
        proved: list[str] = []
        self.module.__dict__[_PROVED] = proved.append
        tree = _mark_claims(self.snippet.cell_tree(cell), self.snippet)
        code = compile(tree, file, "exec", dont_inherit=True)
        prefix = f"{self.snippet.name}-{self.snippet.profile}-{cell.name}"
        failure: BaseException | None = None
        with capturing(prefix) as output, _in_folder(self.folder), _deprecations_are_errors() as deprecations:
            start = time.perf_counter()
            try:
                exec(code, self.module.__dict__)
            except Exception as error:
                failure = error
            seconds = time.perf_counter() - start
        if failure is not None:
            self._failed = CellError(_describe(failure, self.snippet, cell))
            raise self._failed from None
        if deprecations:
            self._failed = CellError(
                f"cell '{cell.name}' uses something deprecated: {deprecations[0]}", file=file, line=cell.source_line
            )
            raise self._failed
        for claim in self.snippet.cell_claims(cell.name):
            if claim.id not in proved:
                self._failed = CellError(
                    f"the assertion of claim '{claim.id}' never ran; move it to a line that does",
                    file=file,
                    line=claim.line,
                )
                raise self._failed
        return CellRun(cell.name, output, seconds, proved)


def run_snippet(snippet: Snippet, folder: Path, *, skip_trained: bool = False) -> Iterator[CellRun]:
    """Run all cells of a snippet and yield each one's result as it comes.

    Raises:
        CellError: A cell raised, used something deprecated, or left a claim unproved.
    """
    run = Run(snippet, folder)
    for cell in snippet.cells:
        if not (skip_trained and cell.trained):
            yield run.run_until(cell.name, skip_trained=skip_trained)


def run_source(source: str, file: str, line: int, namespace: dict[str, Any]) -> None:
    """Run a literal fence of a page.

    Raises:
        CellError: It raised.
    """
    try:
        with capturing("fence"), _deprecations_are_errors():
            exec(compile("\n" * line + source, file, "exec", dont_inherit=True), namespace)
    except Exception as error:
        frames = "".join(traceback.format_exception(error, limit=-1))
        raise CellError(f"this fence raised\n{frames}", file=file, line=line) from None


def _mark_claims(tree: ast.Module, snippet: Snippet) -> ast.Module:
    """Put a call behind every assertion, which notes that it ran and held."""
    ids = {claim.line: claim.id for claim in snippet.claims}

    class Marker(ast.NodeTransformer):
        def visit_Assert(self, node: ast.Assert) -> list[ast.stmt]:
            name = ids.get(node.lineno)
            if name is None:
                return [node]
            call = ast.Expr(ast.Call(ast.Name(_PROVED, ast.Load()), [ast.Constant(name)], []))
            return [node, ast.fix_missing_locations(ast.copy_location(call, node))]

    marked: ast.Module = Marker().visit(tree)
    return marked


@contextlib.contextmanager
def _in_folder(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextlib.contextmanager
def _deprecations_are_errors() -> Iterator[list[str]]:
    """Deprecated calls of torch and transformers fail a cell; transformers says some through its logger."""
    found: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "deprecat" in record.getMessage().lower():
                found.append(record.getMessage())

    listener = Listener(logging.WARNING)
    logger = logging.getLogger("transformers")
    logger.addHandler(listener)
    try:
        with warnings.catch_warnings():
            for category in (DeprecationWarning, FutureWarning):
                warnings.filterwarnings("error", category=category, module=_DEPRECATED_IN)
            yield found
    finally:
        logger.removeHandler(listener)


def _describe(error: Exception, snippet: Snippet, cell: Cell) -> str:
    """A traceback that begins in the snippet, with the values behind a failed assertion."""
    file = str(snippet.file)
    frames = traceback.extract_tb(error.__traceback__)
    first = next((i for i, frame in enumerate(frames) if frame.filename == file), 0)
    line = next((frame.lineno for frame in reversed(frames) if frame.filename == file), cell.source_line)
    text = "".join(traceback.format_list(frames[first:]))
    said = traceback.format_exception_only(error)[-1].strip()
    values = _values(error, file) if isinstance(error, AssertionError) else ""
    return f"{file}:{line}: cell '{cell.name}' raised {said}\n{text.rstrip()}{values}"


def _values(error: BaseException, file: str) -> str:
    """The names in a failed assertion and what they held."""
    frame = None
    for candidate, _ in traceback.walk_tb(error.__traceback__):
        if candidate.f_code.co_filename == file:
            frame = candidate
    if frame is None:
        return ""
    lines = "".join(linecache.cache[file][2])  # type: ignore[misc]
    line = error.__traceback__ and [n for f, n in traceback.walk_tb(error.__traceback__) if f is frame][-1]
    shown = []
    for node in ast.walk(ast.parse(lines)):
        if isinstance(node, ast.Assert) and line and node.lineno <= line <= (node.end_lineno or node.lineno):
            names = sorted({part.id for part in ast.walk(node.test) if isinstance(part, ast.Name)})
            for name in names:
                value = frame.f_locals.get(name, frame.f_globals.get(name, _MISSING))
                if value is not _MISSING and not isinstance(value, types.ModuleType) and not callable(value):
                    text = repr(value)
                    shown.append(f"    {name} = {text if len(text) <= 200 else text[:200] + ' …'}")
    return "\n  where\n" + "\n".join(shown) if shown else ""


_MISSING = object()


def loaded_versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide what a cell prints."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": ".".join(str(part) for part in sys.version_info[:3])}
    for package in ("transformers", "torch", "numpy", "matplotlib", "pillow"):
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    found["torch"] = found.get("torch", "").split("+")[0]
    return found
