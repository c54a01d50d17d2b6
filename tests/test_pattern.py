"""The page on the pattern: its table of families and tasks, which leads a reader to every other page."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import transformers
from transformers.models.auto import modeling_auto

from livedocs.navigation import read_site
from livedocs.snippets import Snippet

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/pattern.md"
SNIPPET = Snippet(ROOT / "snippets/pattern.py", root=ROOT)
MODEL_TYPES = {
    "Wav2Vec2": "wav2vec2",
    "ViT": "vit",
    "ConvNeXT": "convnext",
    "DETR": "detr",
    "Mask2Former": "mask2former",
    "GLPN": "glpn",
    "BERT": "bert",
    "GPT-2": "gpt2",
    "BART": "bart",
}
LINK = re.compile(r"^\[(?P<words>[^\]]+)\]\((?P<target>[^)]+)\)$")


def constant(name: str) -> dict[str, list[str]]:
    """A constant of the page's script."""
    assigned = [node for node in SNIPPET.tree.body if isinstance(node, ast.Assign)]
    [value] = [node.value for node in assigned if isinstance(node.targets[0], ast.Name) and node.targets[0].id == name]
    found: dict[str, list[str]] = ast.literal_eval(value)
    return found


def table() -> tuple[list[str], list[list[str]]]:
    """The table's head and its rows, as written."""
    block = PAGE.read_text("utf-8").split('<div class="ld-matrix" markdown>')[1].split("</div>")[0]
    head, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines() if line.startswith("|")
    ]
    return head, rows


def words(cell: str) -> str:
    """What a cell shows, without its link."""
    match = LINK.match(cell)
    return match["words"] if match else cell


def test_the_table_is_the_library_s() -> None:
    """Protects a reader who looks a task up: a name stands exactly where the installed library has a class for it."""
    head, rows = table()
    tasks = constant("TASKS")
    assert [words(cell) for cell in head] == ["task", *MODEL_TYPES]
    assert [row[0] for row in rows] == list(tasks) and len(tasks) == 13
    for row in rows:
        known = {}
        for name in tasks[row[0]]:
            known |= getattr(modeling_auto, f"MODEL_FOR_{name}_MAPPING_NAMES")
        for family, cell in zip(MODEL_TYPES, row[1:], strict=True):
            kind = known.get(MODEL_TYPES[family])
            assert words(cell) == (family if kind else ""), f"{row[0]}: {family} has {kind}"
            assert kind is None or hasattr(transformers, kind), f"transformers has no {kind}"


def test_every_task_and_every_family_leads_to_a_page() -> None:
    """Protects the table as a way in: no row and no column is without a link, and each link has a file."""
    head, rows = table()
    links = [match for cells in [head, *rows] for cell in cells if (match := LINK.match(cell))]
    assert {words(cell) for cell in head[1:] if LINK.match(cell)} == set(MODEL_TYPES)
    assert all(any(LINK.match(cell) for cell in row) for row in rows)
    assert [match["target"] for match in links if not (ROOT / "docs" / match["target"]).is_file()] == []


def test_the_page_leads_to_every_page_about_a_model_or_a_task() -> None:
    """Protects new pages from being left out: whatever the three groups of the navigation hold is linked here."""
    sections = ("Language", "Speech", "Vision")
    there = [entry.file for entry in read_site(ROOT).entries if entry.section in sections]
    text = PAGE.read_text("utf-8")
    assert len(there) >= 20
    assert [page for page in there if f"]({page})" not in text] == []
