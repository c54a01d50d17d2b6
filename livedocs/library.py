"""What a snippet uses of the library that it explains: found in its syntax tree, looked up when it is recorded.

Building the site must not import transformers. So a record holds, beside the outputs, in which module and on which line each
class and function is defined in the version that ran.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from bisect import bisect
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from livedocs.snippets import Cell, Snippet

LIBRARY = "transformers"
"""The package whose names lead to their documentation."""

_SITE = "https://huggingface.co/docs/transformers"
_REPOSITORY = "https://github.com/huggingface/transformers"

_DOCUMENTED = {
    f"{LIBRARY}.data.data_collator": "main_classes/data_collator",
    f"{LIBRARY}.generation.logits_process": "internal/generation_utils",
    f"{LIBRARY}.generation.stopping_criteria": "internal/generation_utils",
    f"{LIBRARY}.generation.streamers": "internal/generation_utils",
    f"{LIBRARY}.cache_utils": "internal/generation_utils",
    f"{LIBRARY}.generation": "main_classes/text_generation",
    f"{LIBRARY}.pipelines": "main_classes/pipelines",
    f"{LIBRARY}.utils.logging": "main_classes/logging",
    f"{LIBRARY}.trainer_utils": "internal/trainer_utils",
    f"{LIBRARY}.trainer": "main_classes/trainer",
    f"{LIBRARY}.training_args": "main_classes/trainer",
    f"{LIBRARY}.optimization": "main_classes/optimizer_schedules",
    f"{LIBRARY}.tokenization_": "main_classes/tokenizer",
    f"{LIBRARY}.feature_extraction_": "main_classes/feature_extractor",
    f"{LIBRARY}.image_processing_": "main_classes/image_processor",
    f"{LIBRARY}.configuration_utils": "main_classes/configuration",
    f"{LIBRARY}.modeling_outputs": "main_classes/output",
    f"{LIBRARY}.modeling_utils": "main_classes/model",
}
"""Beginnings of module names, and the page that documents what they hold; a model has a page of its own name."""

_RENAMED = {
    name: name.replace("_", "-")
    for name in ("bert_generation", "encoder_decoder", "speech_encoder_decoder", "vision_encoder_decoder")
}
"""Models whose page is spelt otherwise than their folder."""


@dataclass(frozen=True)
class Definition:
    """A name of the library, and where it is defined.

    Attributes:
        name: Its full name, as it is imported: `transformers.ViTModel`.
        kind: `class`, `function`, `module` or `object`.
        module: The module that holds its code, which is seldom the one that it is imported from.
        file: The file of that module, such as `transformers/models/vit/modeling_vit.py`.
        line: The line in that file; 0 for a module, and for what has no line of its own.
    """

    name: str
    kind: str
    module: str
    file: str
    line: int

    @property
    def short(self) -> str:
        """The last part of its name."""
        return self.name.rpartition(".")[2]

    def documentation(self, version: str) -> str | None:
        """Its place in the library's documentation of a version; None for what is not documented there."""
        model = re.match(rf"{LIBRARY}\.models\.(\w+)\.", self.module)
        if model and self.kind in {"class", "function"} and self.name == f"{LIBRARY}.{self.short}":
            page = f"model_doc/{_RENAMED.get(model[1], model[1])}"
        else:
            page = next((page for start, page in _DOCUMENTED.items() if self.module.startswith(start)), "")
        return f"{_SITE}/v{version}/en/{page}#{self.name}" if page else None

    def source(self, version: str) -> str | None:
        """Its line in the library's repository, as it was released; None where the file is not known."""
        line = f"#L{self.line}" if self.line else ""
        return f"{_REPOSITORY}/blob/v{version}/src/{self.file}{line}" if self.file else None


@dataclass(frozen=True)
class Mention:
    """A place in a script that names something of the library.

    Attributes:
        cell: The cell in which it stands.
        line: Its line in the script.
        word: The word that stands there, such as `Model`.
        path: The whole dotted name that it stands for, with what follows behind dots: in
            `Model.from_pretrained(CHECKPOINT)` that may be `transformers.ViTModel.from_pretrained`.
        imports: Whether it is an import, and no use.
    """

    cell: str
    line: int
    word: str
    path: str
    imports: bool


def imported(tree: ast.AST) -> dict[str, str]:
    """Names that a script binds to something of the library, and what each stands for.

    `from transformers import ViTModel as Model` gives `{"Model": "transformers.ViTModel"}`.

    Args:
        tree: The syntax tree of a script.
    """
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level and _ours(node.module or ""):
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            ours = [alias for alias in node.names if _ours(alias.name)]
            found |= {alias.asname or LIBRARY: alias.name if alias.asname else LIBRARY for alias in ours}
    return found


def _ours(module: str) -> bool:
    return module.split(".")[0] == LIBRARY


@lru_cache(maxsize=256)
def mentions(snippet: Snippet) -> tuple[Mention, ...]:
    """All places in a script that name something of the library, in the order of the script."""
    if LIBRARY not in snippet.text:
        return ()
    names = imported(snippet.tree)
    starts = [cell.line for cell in snippet.cells]

    def cell(line: int) -> str:
        return snippet.cells[bisect(starts, line) - 1].name

    found: list[tuple[int, int, Mention]] = []
    inner: set[int] = set()
    for node in ast.walk(snippet.tree):  # breadth first: an attribute comes before what stands in front of its dot
        if isinstance(node, ast.ImportFrom) and not node.level and _ours(node.module or ""):
            for alias in node.names:
                mention = Mention(cell(alias.lineno), alias.lineno, alias.name, f"{node.module}.{alias.name}", True)
                found.append((alias.lineno, alias.col_offset, mention))
        if not isinstance(node, ast.Name | ast.Attribute) or id(node) in inner:
            continue
        parts: list[str] = []
        base: ast.expr = node
        while isinstance(base, ast.Attribute):
            parts.insert(0, base.attr)
            base = base.value
            inner.add(id(base))
        if isinstance(base, ast.Name) and base.id in names and isinstance(base.ctx, ast.Load):
            path = ".".join([names[base.id], *parts])
            found.append((base.lineno, base.col_offset, Mention(cell(base.lineno), base.lineno, base.id, path, False)))
    return tuple(mention for *_, mention in sorted(found, key=lambda item: item[:2]) if mention.path != LIBRARY)


def uses(snippet: Snippet) -> dict[str, tuple[str, ...]]:
    """Dotted names of the library in a snippet, each with the cells that use it, in the order of the script.

    An import counts only for what no cell uses otherwise.
    """
    used: dict[str, dict[str, None]] = {}
    for mention in mentions(snippet):
        if not mention.imports:
            used.setdefault(mention.path, {})[mention.cell] = None
    for mention in mentions(snippet):
        if mention.imports and not any(f"{path}.".startswith(f"{mention.path}.") for path in used):
            used[mention.path] = {mention.cell: None}
    return {path: tuple(cells) for path, cells in sorted(used.items())}


def links(snippet: Snippet, cell: Cell) -> list[Mention]:
    """The places of a cell that shall lead to the library: every import, and the first use of each name."""
    found = [mention for mention in mentions(snippet) if mention.cell == cell.name]
    first = {mention.word: mention for mention in reversed(found) if not mention.imports}
    return [mention for mention in found if mention.imports or first[mention.word] is mention]


def look_up(paths: Iterable[str]) -> dict[str, Definition]:
    """What dotted names lead to in the installed version. This imports the library.

    A name that goes on behind a class or a function, as a method does, leads to that class or function.
    """
    return {path: _look_up(path) for path in paths}


def _look_up(path: str) -> Definition:
    first, *parts = path.split(".")
    thing: Any = importlib.import_module(first)
    name = first
    for part in parts:
        if not isinstance(thing, ModuleType):
            break
        if not hasattr(thing, part):
            importlib.import_module(f"{name}.{part}")
        thing = getattr(thing, part)
        name = f"{name}.{part}"
    if isinstance(thing, ModuleType):
        return _definition(name, "module", thing.__name__, 0)
    if not (inspect.isclass(thing) or inspect.isroutine(thing)):
        return _object(name, thing)
    thing = inspect.unwrap(thing)
    kind = "class" if inspect.isclass(thing) else "function"
    try:
        line = inspect.getsourcelines(thing)[1]
    except (TypeError, OSError):
        line = 0
    return _definition(name, kind, thing.__module__, line)


def _object(name: str, thing: Any) -> Definition:
    """A constant does not know where it was made: it is the module whose text assigns it."""
    short = name.rpartition(".")[2]
    for module in sorted(part for part in sys.modules if _ours(part)):
        if vars(sys.modules[module]).get(short) is thing:
            try:
                text = inspect.getsource(sys.modules[module])
            except (TypeError, OSError):
                continue
            if match := re.search(rf"^{re.escape(short)}\s*[:=]", text, re.MULTILINE):
                return _definition(name, "object", module, text[: match.start()].count("\n") + 1)
    return _definition(name, "object", name.rpartition(".")[0], 0)


def _definition(name: str, kind: str, module: str, line: int) -> Definition:
    library = sys.modules[LIBRARY]
    folder = Path(str(library.__file__)).parents[1]
    path = Path(inspect.getfile(importlib.import_module(module)))
    file = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else ""
    return Definition(name, kind, module, file, line)
