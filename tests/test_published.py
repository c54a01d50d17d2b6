"""Published architectures: full-size code runs offline, on random weights, from the published configuration alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from conftest import Toy

from livedocs.errors import DocsError
from livedocs.published import build, hub_names, workplace
from livedocs.recording import verify_full_size
from livedocs.snippets import Snippet

CONFIG = {
    "architectures": ["ViTForImageClassification"],
    "model_type": "vit",
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
    "image_size": 8,
    "patch_size": 4,
}

CODE = """\
# %% setup
from pathlib import Path
NAME = "checkpoints/none"  # full size: "owner/tiny-vit"
size = 0
# full size: from transformers import ViTForImageClassification
# full size: model = ViTForImageClassification.from_pretrained(NAME)
# full size: size = model.config.hidden_size + sum(1 for p in model.vit.embeddings.parameters())

# %% shape
print(size, "n/a", sorted(path.name for path in Path().glob("*.py")))

# %% guess tags=["trained"]
print("guess")
"""


def published(root: Path, **changes: object) -> Path:
    folder = root / "published" / "owner" / "tiny-vit"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG | changes))
    (folder / "preprocessor_config.json").write_text('{"size": 8}')
    return folder


def test_hub_names_are_those_of_the_full_size_profile_alone() -> None:
    """Text with a slash that both profiles hold is no checkpoint's name; each name knows its line."""
    text = (
        '# %% a\nNAME = "checkpoints/x"  # full size: "owner/model-1.5"\nunit = "n/a"\nfile = "docs/assets/x.jpg"\n'
        'kind = "a"  # full size: "and / or"\n'
    )
    assert hub_names(Snippet(Path("toy.py"), text)) == {"owner/model-1.5": 2}


def test_full_size_code_runs_on_random_weights(toy: Toy) -> None:
    """The hub's name resolves to the published architecture, in a folder that holds nothing else; then from the cache."""
    import torch

    published(toy.root)
    toy.use(CODE)
    toy.record()
    assert toy.read("docs/outputs/toy/compact/shape.txt") == "0 n/a []\n"
    assert toy.read("docs/outputs/toy/full-size/shape.txt") == "12 n/a []\n"
    first = build("owner/tiny-vit", toy.root)
    assert (first / "preprocessor_config.json").exists()
    assert (first / "model.safetensors").exists()
    assert verify_full_size(toy.root) == ["snippets/toy.py: 2 of 3 cells passed in full size"]
    # Built anew, the weights are the same, and the random numbers of who asked are not touched.
    weights = (first / "model.safetensors").read_bytes()
    shutil.rmtree(toy.root / ".cache")
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    assert (build("owner/tiny-vit", toy.root) / "model.safetensors").read_bytes() == weights
    assert torch.equal(torch.rand(3), expected)
    # Another configuration makes another folder.
    published(toy.root, hidden_size=4)
    assert build("owner/tiny-vit", toy.root) != first


def test_a_missing_configuration_is_named(toy: Toy) -> None:
    """The line of the snippet that names the checkpoint, and the file to add."""
    toy.use(CODE)
    with pytest.raises(DocsError) as caught:
        toy.record()
    assert str(caught.value).startswith(
        "snippets/toy.py:3: published/owner/tiny-vit/config.json is missing, so this cannot run offline; put"
    )
    assert not toy.outputs()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        json.dumps({**CONFIG, "architectures": []}),
        json.dumps({**CONFIG, "architectures": None}),
        json.dumps({**CONFIG, "architectures": ["NoSuchModel"]}),
        json.dumps({**CONFIG, "model_type": "no-such-type"}),
        json.dumps({**CONFIG, "hidden_size": "eight"}),
    ],
)
def test_a_malformed_configuration_is_named(toy: Toy, text: str) -> None:
    """Whatever is wrong with a configuration ends in one message that leads to it, and nothing half-built stays."""
    (published(toy.root) / "config.json").write_text(text)
    with pytest.raises(DocsError) as caught:
        build("owner/tiny-vit", toy.root)
    assert str(caught.value).startswith(
        "published/owner/tiny-vit/config.json:1: cannot build a model from this configuration ("
    )
    assert not list(toy.root.glob(".cache/published/*/*/*"))


def test_from_the_hub_nothing_is_put_in_its_place(toy: Toy) -> None:
    """With a network the names are left to the hub."""
    toy.use(CODE)
    with workplace(toy.project.snippets["toy"], toy.root, from_hub=True) as folder:
        assert not list(Path(folder).iterdir())
