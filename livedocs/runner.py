"""Run the cells of a snippet, top to bottom in one namespace."""

from __future__ import annotations
import __future__

import ast
import contextlib
import linecache
import logging
import os
import sys
import traceback
import types
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from livedocs.capture import Captured, capturing, processor_seconds
from livedocs.errors import DocsError
from livedocs.snippets import Cell, Snippet

_PROVED = "__livedocs_proved__"
_FUTURES = sum(getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)
_DEPRECATED_IN = r"(transformers|torch|__main__)(\..*)?"


class CellError(DocsError):
    """A cell raised. The message is a traceback whose lines are those of the snippet."""


@dataclass
class CellRun:
    """What running one cell gave.

    Attributes:
        name: The cell's name.
        output: What it printed, showed and played.
        seconds: Of processor time that its code took, drawing included, without the packing of its figures.
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
        files: Whether figures are wanted as files; to compare a run, their contents are enough.
    """

    def __init__(self, snippet: Snippet, folder: Path, *, files: bool = True) -> None:
        _hear_warnings()
        self.snippet = snippet
        self.folder = folder
        self.files = files
        self.module = types.ModuleType("__main__")
        self.module.__file__ = str(snippet.path)
        self.done: list[CellRun] = []
        self._index: dict[str, int] = {cell.name: i for i, cell in enumerate(snippet.cells)}
        self._position = 0
        self._settings: dict[str, Any] = {}
        self._futures = 0
        self._failed: CellError | None = None
        if "torch" in sys.modules:
            # A script may switch gradients off for all that follows; the next one starts as a fresh process would.
            sys.modules["torch"].set_grad_enabled(True)

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
        _show_lines(file, self.snippet.text)  # a traceback shows those of the profile that ran
        proved: list[str] = []
        self.module.__dict__[_PROVED] = proved.append
        tree = _mark_claims(self.snippet.cell_tree(cell), self.snippet)
        # optimize=0: assertions count, even where Python was told to leave them out
        code = compile(tree, file, "exec", flags=self._futures, dont_inherit=True, optimize=0)
        self._futures |= code.co_flags & _FUTURES
        prefix = f"{self.snippet.name}-{self.snippet.profile}-{cell.name}"
        problem = ""
        with (
            capturing(prefix, self._settings, files=self.files) as output,
            _in_folder(self.folder),
            _as_main(self.module),
        ):
            start = processor_seconds()
            with _deprecations_are_errors() as deprecations:
                try:
                    exec(code, self.module.__dict__)
                    self.folder = Path.cwd()  # as in a script, a changed folder stays changed
                except (Exception, SystemExit) as error:
                    problem = _describe(error, file, cell.source_line, f"cell '{cell.name}'")
            seconds = processor_seconds() - start
        place = f"{file}:{cell.source_line}: cell '{cell.name}'"
        if not problem and deprecations:
            problem = f"{place} uses something deprecated: {deprecations[0]}; use what it names instead"
        if not problem and output.left_open:
            problem = f"{place} draws a figure and does not show it; call `plt.show()` or `plt.close()` in this cell"
        for claim in self.snippet.cell_claims(cell.name):
            if not problem and claim.id not in proved:
                problem = (
                    f"{file}:{claim.line}: the assertion of claim '{claim.id}' never ran; move it to a line that does"
                )
        if problem:
            self._failed = CellError(problem)
            raise self._failed
        seconds -= sum(figure.packing for figure in output.figures)
        return CellRun(cell.name, output, seconds, list(dict.fromkeys(proved)))


def run_snippet(snippet: Snippet, folder: Path, *, skip_trained: bool = False, files: bool = True) -> Iterator[CellRun]:
    """Run all cells of a snippet and yield each one's result as it comes.

    Args:
        snippet: The snippet, in the profile to run.
        folder: The working folder of its code.
        skip_trained: Leave out cells tagged `trained`.
        files: Whether figures are wanted as files.

    Raises:
        CellError: A cell raised, used something deprecated, or left a claim unproved.
    """
    run = Run(snippet, folder, files=files)
    for cell in snippet.cells:
        if not (skip_trained and cell.trained):
            yield run.run_until(cell.name, skip_trained=skip_trained)


def run_source(source: str, file: str, line: int, namespace: dict[str, Any], folder: Path) -> None:
    """Run a literal fence of a page.

    Args:
        source: Its code.
        file: The page, for messages.
        line: The line on which the fence opens.
        namespace: Where its names live.
        folder: Its working folder.

    Raises:
        CellError: It raised, or used something deprecated.
    """
    text = "\n" * line + source
    _show_lines(file, text)
    problem = ""
    _hear_warnings()
    with capturing("fence"), _in_folder(folder), _deprecations_are_errors() as deprecations:
        try:
            exec(compile(text, file, "exec", dont_inherit=True, optimize=0), namespace)
        except (Exception, SystemExit) as error:
            problem = _describe(error, file, line, "this fence")
    if not problem and deprecations:
        problem = f"{file}:{line}: this fence uses something deprecated: {deprecations[0]}; use what it names instead"
    if problem:
        raise CellError(problem)


def _show_lines(file: str, text: str) -> None:
    """Tell tracebacks what stands in a file whose code is run from memory."""
    linecache.cache[file] = (len(text), None, [f"{line}\n" for line in text.split("\n")], file)


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
def _as_main(module: types.ModuleType) -> Iterator[None]:
    """The cells are the running program, also for who looks its classes up by name (pickle, dataclasses)."""
    before = sys.modules["__main__"]
    sys.modules["__main__"] = module
    try:
        yield
    finally:
        sys.modules["__main__"] = before


def _hear_warnings() -> None:
    """Another script in this process may have silenced the library's logger."""
    logger = logging.getLogger("transformers")
    if logger.level > logging.WARNING:
        logger.setLevel(logging.WARNING)


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


def _describe(error: BaseException, file: str, line: int, what: str) -> str:
    """A traceback that begins in the file, with the values behind a failed assertion."""
    frames = traceback.extract_tb(error.__traceback__)
    first = next((i for i, frame in enumerate(frames) if frame.filename == file), len(frames))
    fallback = error.lineno if isinstance(error, SyntaxError) and error.filename == file else line
    place = next((frame.lineno for frame in reversed(frames) if frame.filename == file), fallback)
    text = "".join(traceback.format_list(frames[first:]))
    said = "".join(part for part in traceback.format_exception_only(error) if not part.startswith("  ")).strip()
    values = _values(error, file) if isinstance(error, AssertionError) else ""
    return f"{file}:{place}: {what} raised {said}\n{text.rstrip()}{values}".rstrip()


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
                    try:
                        text = repr(value)
                    except Exception as failure:
                        text = f"({type(failure).__name__} in its repr)"
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
