"""What a snippet uses of transformers: each name is found where it stands, and leads to its definition."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest
from conftest import Toy

from livedocs import library
from livedocs.project import load_project
from livedocs.snippets import Snippet

ROOT = Path(__file__).parents[1]


def used(code: str) -> dict[str, tuple[str, ...]]:
    """The names of the library in a script."""
    return library.uses(Snippet(Path("toy.py"), code))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (
            "# %% a\nfrom transformers import ViTModel\n# %% b\nmodel = ViTModel.from_pretrained('x')\n# %% c\nViTModel(1)\n",
            {"transformers.ViTModel.from_pretrained": ("b",), "transformers.ViTModel": ("c",)},
        ),
        ("# %% a\nfrom transformers import pipeline\n", {"transformers.pipeline": ("a",)}),
        (
            "# %% a\nimport transformers\n# %% b\ntransformers.utils.logging.set_verbosity_error()\n",
            {"transformers.utils.logging.set_verbosity_error": ("b",)},
        ),
        (
            "# %% a\nimport transformers.models.vit.modeling_vit as vit\n# %% b\nprint(vit.ViTLayer)\n",
            {"transformers.models.vit.modeling_vit.ViTLayer": ("b",)},
        ),
        (
            "# %% a\nfrom transformers.loss import loss_utils as loss\n# %% b\nloss.f(1); loss.f(2)\n",
            {"transformers.loss.loss_utils.f": ("b",)},
        ),
        ("# %% a\nfrom torch import nn\nimport transformersx\nmodel = nn.Linear(1, 1)\nmodel.transformers\n", {}),
    ],
)
def test_names_are_found_in_the_cells_that_use_them(code: str, expected: dict[str, tuple[str, ...]]) -> None:
    """An import alone is no use, a method belongs to its class, an alias is known, and other packages are left out."""
    assert used(code) == expected


def test_a_name_leads_to_its_definition() -> None:
    """What a record keeps is where the code lies, and not where it was imported from; a method leads to its class."""
    found = library.look_up(
        [
            "transformers.ViTModel.from_pretrained",
            "transformers.pipeline",
            "transformers.utils.logging",
            "transformers.MODEL_FOR_DEPTH_ESTIMATION_MAPPING",
        ]
    )
    model, pipeline, logging, mapping = found.values()
    assert (model.name, model.kind) == ("transformers.ViTModel", "class")
    assert (pipeline.kind, logging.kind, mapping.kind) == ("function", "module", "object")
    for definition, start in ((model, "class ViTModel"), (mapping, "MODEL_FOR_DEPTH_ESTIMATION_MAPPING =")):
        text = Path(inspect.getfile(__import__(definition.module, fromlist=["x"]))).read_text("utf-8").split("\n")
        assert any(line.startswith(start) for line in text[definition.line - 1 : definition.line + 3])


def test_every_record_knows_the_names_of_its_script() -> None:
    """Protects the index of the library: it is made from the records, which hold a definition for every name in the code."""
    project = load_project(ROOT)
    for file in sorted(project.outputs.glob("*/*/record.json")):
        data = json.loads(file.read_text("utf-8"))
        snippet = project.snippets[file.parts[-3]].in_profile(file.parts[-2])
        assert set(data["library"]) == set(library.uses(snippet)), file
        assert data["recorded"] >= "2026-11-01"


def test_a_record_says_when_it_was_made(toy: Toy) -> None:
    """The stamp of a page comes from its records."""
    toy.record()
    (snippet,) = toy.project.snippets.values()
    record = toy.records.read(snippet)
    assert len(record.recorded.split("-")) == 3
    assert record.library == {}
