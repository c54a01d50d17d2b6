"""The pages' cells as tests, through pytest-markdown-docs.

`pytest --markdown-docs docs` collects every fence of every page. This plugin expands `@cell` lines into fences before
the collection, runs the cells of a page in one namespace (each once), and compares what they give with the record.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pytest_markdown_docs._runners import register_runner
from pytest_markdown_docs.definitions import FenceTestDefinition
from pytest_markdown_docs.plugin import MarkdownDocstringCodeModule

from livedocs.cache import PageCache, recording_inputs
from livedocs.capture import freeze_environment
from livedocs.errors import DocsError
from livedocs.pages import Embed, Fence, Page
from livedocs.project import Project, load_project
from livedocs.records import Records
from livedocs.runner import Run, loaded_versions, run_source

_root = Path.cwd()
_collecting = Path()


def pytest_configure(config: pytest.Config) -> None:
    """Remember the project's root, from which pages name their snippets."""
    global _root
    _root = config.rootpath
    freeze_environment()


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """Remember which page is collected; its parser is given the text alone."""
    global _collecting
    _collecting = collector.path
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_markdown_docs_markdown_it() -> MarkdownIt:
    """The parser that pytest-markdown-docs shall use."""
    return _PageParser()


@pytest.hookimpl(hookwrapper=True)
def pytest_collect_file(file_path: Path) -> Iterator[None]:
    """Keep pytest-markdown-docs from importing every test module a second time, for fences in its docstrings."""
    outcome = yield
    found = outcome.get_result()  # type: ignore[attr-defined]
    outcome.force_result([one for one in found if not isinstance(one, MarkdownDocstringCodeModule)])  # type: ignore[attr-defined]


class _PageParser(MarkdownIt):
    """Finds the fences of a page, embedded cells and literal Python alike."""

    def __init__(self) -> None:
        super().__init__("commonmark")

    def parse(self, src: str, env: Any = None) -> list[Token]:
        """The fences of a page as tokens, each on the line where it stands."""
        try:
            return self._fences(src)
        except DocsError as error:
            raise pytest.Collector.CollectError(str(error)) from None

    @staticmethod
    def _fences(src: str) -> list[Token]:
        project = load_project(_root)
        page = project.pages.get(_collecting) or Page(_collecting, src, root=_root)
        tokens = []
        for part in page_parts(page):
            if isinstance(part, Fence):
                source, line = part.source, part.line
            else:
                source, line = project.find_cell(page, part)[1].source + "\n", part.line
            tokens.append(Token("fence", "code", 0, content=source, info="python", map=[line - 1, line], block=True))
        return tokens


def page_parts(page: Page) -> list[Embed | Fence]:
    """What of a page runs: its cells and its Python fences, in order."""
    parts: list[Embed | Fence] = [*page.cells, *(fence for fence in page.fences if fence.python)]
    return sorted(parts, key=lambda part: part.line)


class _PageRun:
    """The state of one page while its parts are tested one after the other."""

    def __init__(self, page: Page, project: Project) -> None:
        self.page = page
        self.project = project
        self.records = Records(project.outputs, project.root)
        self.cache = PageCache(project.root)
        names = [embed.snippet for embed in page.cells if embed.snippet in project.snippets]
        self.runs = {name: Run(project.snippets[name], project.root, files=False) for name in dict.fromkeys(names)}
        # Fences share the namespace of the page's cells; of the first snippet's, where it embeds several.
        self.namespace = vars(self.runs[names[0]].module) if names else {"__name__": "__main__"}
        self.inputs: set[Path] = {page.path}
        self.passed: set[int] = set()
        self.fresh = self.cache.is_fresh(page.path)

    def run(self, line: int) -> None:
        """Run and compare the part that stands on a line.

        Raises:
            DocsError: It raised, or gave something else than the page shows.
        """
        part = next(part for part in page_parts(self.page) if part.line == line)
        if self.fresh:
            return
        with recording_inputs(self.project.root, self.inputs):
            if isinstance(part, Fence):
                run_source(part.source, str(self.page.file), part.line, self.namespace, self.project.root)
            else:
                self._run_cell(part)
        self.passed.add(line)
        if self.passed == {part.line for part in page_parts(self.page)}:
            self.cache.store(self.page.path, self.inputs)

    def _run_cell(self, embed: Embed) -> None:
        snippet, cell = self.project.find_cell(self.page, embed)
        self.records.cell(snippet, cell)  # missing or stale is told before anything runs
        if snippet.path not in self.inputs:
            self.inputs.add(snippet.path)
            self.inputs.update(path for path in self.records.folder(snippet).iterdir() if path.is_file())
        result = self.runs[snippet.name].run_until(cell.name)
        try:
            self.records.compare(snippet, result)
        except DocsError as error:
            recorded = self.records.read(snippet).versions
            now = loaded_versions()
            changed = [f"{k} {recorded.get(k)} -> {v}" for k, v in now.items() if recorded.get(k) != v]
            note = f"\nversions that changed since the record: {', '.join(changed)}" if changed else ""
            raise DocsError(f"{error}{note}") from None


_pages: dict[Path, _PageRun] = {}


@register_runner(default=True)
class LivedocsRunner:
    """Runs a page's parts; chosen by default for every fence that pytest-markdown-docs collects."""

    def runtest(self, test: FenceTestDefinition, args: dict[str, Any], *, asyncio_runner: Any = None) -> None:
        """Run one fence. Any exception leaves as DocsError, since a TypeError would make the caller run it again."""
        project = load_project(_root)
        state = _pages.get(test.source_path)
        if state is None:
            state = _pages[test.source_path] = _PageRun(project.page_of(test.source_path), project)
        try:
            state.run(test.start_line)
        except TypeError as error:
            raise DocsError(f"livedocs failed: {error!r}") from error

    def repr_failure(
        self, test: FenceTestDefinition, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None
    ) -> str:
        """The message alone where it is one of ours, else pytest's own report."""
        if isinstance(excinfo.value, DocsError):
            place = f"{test.source_path}:{test.start_line}"
            return f"{place}\n{excinfo.value}"
        return str(excinfo.getrepr())
