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
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from livedocs.snippets import Snippet

LIBRARY = "transformers"
"""The package whose names lead to their documentation."""


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


def imported(tree: ast.AST) -> dict[str, str]:
    """Names that a script binds to something of the library, and what each stands for.

    `from transformers import ViTModel as Model` gives `{"Model": "transformers.ViTModel"}`.

    Args:
        tree: The syntax tree of a script or of a cell.
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


def mentions(tree: ast.AST, names: dict[str, str]) -> list[tuple[ast.expr, str]]:
    """Where a syntax tree names something of the library, with the full dotted name that stands there.

    In `Model.from_pretrained(CHECKPOINT)` that is `transformers.ViTModel.from_pretrained`.

    Args:
        tree: The syntax tree of a cell.
        names: What `imported` found in the script.
    """
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    found: list[tuple[ast.expr, str]] = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Name | ast.Attribute) or id(node) in inner:
            continue
        parts: list[str] = []
        base: ast.expr = node
        while isinstance(base, ast.Attribute):
            parts.insert(0, base.attr)
            base = base.value
        if isinstance(base, ast.Name) and base.id in names and isinstance(base.ctx, ast.Load):
            found.append((node, ".".join([names[base.id], *parts])))
    return found


def uses(snippet: Snippet) -> dict[str, tuple[str, ...]]:
    """Dotted names of the library in a snippet, each with the cells that use it, in the order of the script.

    An import counts only for what no cell uses otherwise.
    """
    names = imported(snippet.tree)
    used: dict[str, list[str]] = {}
    imports: dict[str, str] = {}
    for cell in snippet.cells:
        tree = snippet.cell_tree(cell)
        for _, path in mentions(tree, names):
            if path != LIBRARY and cell.name not in used.setdefault(path, []):
                used[path].append(cell.name)
        for path in imported(tree).values():
            imports.setdefault(path, cell.name)
    for path, cell_name in imports.items():
        if path != LIBRARY and not any(other == path or other.startswith(f"{path}.") for other in used):
            used[path] = [cell_name]
    return {path: tuple(cells) for path, cells in sorted(used.items())}


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
