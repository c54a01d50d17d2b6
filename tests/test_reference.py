"""The reference: every module of the project's own code is described, from its docstrings and without being imported."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = {"livedocs": "livedocs.md", "sample_data": "sample-data.md", "training": "training.md"}


def modules(package: str) -> set[str]:
    """The modules of a package that hold code of their own; a module behind an underscore is nobody's interface."""
    found = set()
    for path in (ROOT / package).rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if not any(part.startswith("_") for part in parts) and "templates" not in parts:
            found.add(".".join(parts))
    return found


@pytest.mark.parametrize("package", PAGES)
def test_every_module_is_in_the_reference(package: str) -> None:
    """Protects the reference from falling behind: a new module is on its page, and a module that is gone is not."""
    text = (ROOT / "docs" / "reference" / PAGES[package]).read_text("utf-8")
    assert set(re.findall(r"^::: (\S+)$", text, re.MULTILINE)) == modules(package)


@pytest.mark.parametrize("package", PAGES)
def test_what_the_reference_shows_is_described(package: str) -> None:
    """Protects readers of the reference: modules, and the classes and functions in them, say what they are for."""
    silent = []
    for module in sorted(modules(package)):
        tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text("utf-8"))
        nodes: list[ast.AST] = [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef))]
        for node in nodes:
            name = getattr(node, "name", "")
            if not name.startswith("_") and not ast.get_docstring(node):  # type: ignore[arg-type]
                silent.append(f"{module}.{name}".rstrip("."))
    assert silent == []
