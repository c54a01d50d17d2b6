"""Diagrams: what they show is measured, what they leave out is refused, and they can be read by everyone."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from transformers import BartConfig, ViTConfig, ViTForImageClassification

from livedocs.diagram import DiagramError, Measured, Spec, draw, load_spec, measure_compact, measure_published
from livedocs.palette import COLOURS

ROOT = Path(__file__).parents[1]
VIT = ROOT / "diagrams/vit.toml"
SMALL = {
    "image_size": 24,
    "patch_size": 6,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "num_labels": 7,
}

BART = """
title = "BART"
description = "An encoder and a decoder."
model = "AutoModelForSeq2SeqLM"
compact = "none"
published = "facebook/bart-base"

[inputs.input_ids]
shape = [1, 9]
dtype = "int"
[inputs.decoder_input_ids]
shape = [1, 5]
dtype = "int"

[[column]]
id = "encoder"
label = "Encoder"
[[column]]
id = "decoder"
label = "Decoder"

[[group]]
id = "encoder-layer"
label = "Encoder layer"
repeat = "model.encoder.layers"
[[group]]
id = "decoder-layer"
label = "Decoder layer"
repeat = "model.decoder.layers"
colour = "decoder"

[[block]]
id = "words"
label = "Token embedding"
module = "model.encoder.embed_tokens"
axes = ["batch", "tokens", "width"]
parameters = true
column = "encoder"
colour = "token"
[[block]]
id = "encoder-positions"
kind = "join"
label = "positions added"
module = "model.encoder.layernorm_embedding"
of = "input"
side = { label = "Positions", parameter = "model.encoder.embed_positions", colour = "position" }
column = "encoder"
[[block]]
id = "encoder-embedding-norm"
label = "Layer norm"
module = "model.encoder.layernorm_embedding"
parameters = true
column = "encoder"
[[block]]
id = "encoder-attention"
kind = "attention"
label = "Self-attention"
module = "model.encoder.layers.*.self_attn"
parameters = true
colour = "attention"
group = "encoder-layer"
column = "encoder"
[block.attention]
query = "model.encoder.layers.*.self_attn.q_proj"
key = "model.encoder.layers.*.self_attn.k_proj"
value = "model.encoder.layers.*.self_attn.v_proj"
output = "model.encoder.layers.*.self_attn.out_proj"
weights = "model.encoder.layers.*.self_attn"
[[block]]
id = "encoder-add"
kind = "add"
label = "residual"
group = "encoder-layer"
column = "encoder"
[[block]]
id = "encoder-norm"
label = "Layer norm"
module = "model.encoder.layers.*.self_attn_layer_norm"
parameters = true
group = "encoder-layer"
column = "encoder"
[[block]]
id = "encoder-out"
label = "Encoder output"
module = "model.encoder"
axes = ["batch", "tokens", "width"]
column = "encoder"
colour = "encoder"

[[block]]
id = "target"
label = "Target tokens"
module = "model.decoder.layernorm_embedding"
axes = ["batch", "targets", "width"]
parameters = true
column = "decoder"
[[block]]
id = "decoder-norm"
label = "Layer norm"
module = "model.decoder.layers.*.self_attn_layer_norm"
parameters = true
group = "decoder-layer"
column = "decoder"
[[block]]
id = "cross-attention"
label = "Cross-attention"
sub = "{config.decoder_attention_heads} heads"
module = "model.decoder.layers.*.encoder_attn"
parameters = true
group = "decoder-layer"
column = "decoder"
colour = "attention"
[[block]]
id = "decoder-mlp"
label = "MLP"
module = "model.decoder.layers.*.final_layer_norm"
widths = ["model.decoder.layers.*.fc1", "model.decoder.layers.*.fc2"]
parameters = true
group = "decoder-layer"
column = "decoder"
[[block]]
id = "head"
label = "Language model head"
module = "lm_head"
axes = ["batch", "targets", "vocabulary"]
column = "decoder"
colour = "output"

[[residual]]
around = "encoder-attention"
to = "encoder-add"
[[link]]
start = "encoder-out"
end = "cross-attention"
label = "keys, values"
"""
"""Two columns. Much of the model is deliberately not drawn."""

BART_LEFT_OUT = """
leave_out = [
  "model.encoder.layers.*.fc*", "model.encoder.layers.*.final_layer_norm.*", "model.decoder.layers.*.fc*",
  "model.decoder.layers.*.self_attn.*", "model.decoder.layers.*.encoder_attn_layer_norm.*", "model.decoder.embed_positions.*",
]
"""


@pytest.fixture(scope="module")
def vit() -> Spec:
    return load_spec(VIT)


@pytest.fixture(scope="module")
def compact_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compact")
    torch.manual_seed(0)
    ViTForImageClassification(ViTConfig(**SMALL)).half().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def compact(vit: Spec, compact_folder: Path) -> Measured:
    return measure_compact(vit, compact_folder)


@pytest.fixture(scope="module")
def published(vit: Spec, tmp_path_factory: pytest.TempPathFactory) -> Measured:
    folder = tmp_path_factory.mktemp("published")
    ViTConfig(num_labels=1000).save_pretrained(folder)
    return measure_published(vit, folder)


@pytest.fixture(scope="module")
def bart(tmp_path_factory: pytest.TempPathFactory) -> tuple[Spec, Measured]:
    folder = tmp_path_factory.mktemp("bart")
    BartConfig(
        d_model=24,
        vocab_size=50,
        encoder_layers=2,
        decoder_layers=3,
        encoder_attention_heads=3,
        decoder_attention_heads=4,
        encoder_ffn_dim=32,
        decoder_ffn_dim=36,
        max_position_embeddings=16,
    ).save_pretrained(folder)
    (folder / "bart.toml").write_text(BART_LEFT_OUT + BART, "utf-8")
    spec = load_spec(folder / "bart.toml")
    return spec, measure_published(spec, folder)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """A spec like ViT's, with text replaced in it."""

    def write(*changes: tuple[str, str]) -> Path:
        text = VIT.read_text("utf-8")
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        path = tmp_path / "changed.toml"
        path.write_text(text, "utf-8")
        return path

    return write


def texts(svg: str) -> list[str]:
    return ["".join(text.itertext()) for text in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


# What is measured


def test_shapes_of_a_small_checkpoint(compact: Measured) -> None:
    blocks = compact.blocks
    assert blocks["image"].shape == (1, 3, 24, 24)
    assert blocks["image"].grid == (4, 4)
    assert blocks["patch-embedding"].shape == (1, 16, 32)
    assert blocks["patch-embedding"].sub == "convolution 6 × 6, stride 6 × 6"
    assert blocks["cls"].side_shape == (1, 1, 32)
    assert blocks["cls"].shape == blocks["positions"].side_shape == (1, 17, 32)
    assert blocks["tokens"].cells == 17
    assert (blocks["attention"].heads, blocks["attention"].head_width) == (4, 8)
    assert blocks["attention"].weights_shape == (1, 4, 17, 17)
    assert blocks["mlp"].widths == (32, 48, 32)
    assert blocks["select"].shape == (1, 32)
    assert blocks["logits"].cells == 7
    assert compact.repeats == {"layer": 3}


def test_shapes_of_the_published_size(published: Measured) -> None:
    assert published.profile == "full-size"
    assert published.blocks["cls"].shape == (1, 197, 768)
    assert published.blocks["attention"].weights_shape == (1, 12, 197, 197)
    assert published.repeats == {"layer": 12}
    assert published.parameters == 86_567_656


def test_blocks_hold_all_parameters(vit: Spec, compact: Measured) -> None:
    total = 0
    for block in vit.block:
        numbers = compact.blocks[block.id]
        times = compact.repeats.get(block.group, 1)
        side = 1 if numbers.side_shape else 0
        for size in numbers.side_shape:
            side *= size
        total += times * (numbers.parameters or 0) + side
    assert total == compact.parameters


def test_the_config_of_the_site_is_drawn(vit: Spec) -> None:
    folder = ROOT / "published" / vit.published
    assert measure_published(vit, folder).blocks["image"].shape == (1, 3, 224, 224)


def test_an_encoder_and_a_decoder(bart: tuple[Spec, Measured]) -> None:
    _, measured = bart
    assert measured.repeats == {"encoder-layer": 2, "decoder-layer": 3}
    assert measured.blocks["encoder-out"].shape == (1, 9, 24)
    assert measured.blocks["head"].shape == (1, 5, 50)
    assert measured.blocks["encoder-attention"].heads == 3
    assert measured.blocks["cross-attention"].sub == "4 heads"
    assert measured.blocks["decoder-mlp"].widths == (24, 36, 24)


# What is drawn


def test_every_number_of_the_drawing_is_measured(vit: Spec, compact: Measured) -> None:
    """Other numbers in, other numbers out: no number stands in the spec or in the drawing's code."""
    before = texts(draw(vit, compact))
    assert "1 × 17 × 32" in before
    assert "× 3" in before
    assert "softmax(query · key / √8)" in before
    assert f"{compact.parameters:,} parameters in all" in before
    for block in vit.block:
        assert not re.search(r"\d", " ".join([block.label, re.sub(r"\{.*?\}", "", block.sub), *block.axes])), block.id
    other = replace(compact.blocks["cls"], shape=(1, 99, 32))
    after = texts(draw(vit, replace(compact, blocks={**compact.blocks, "cls": other})))
    assert after.count("1 × 99 × 32") == 1
    assert after.count("1 × 17 × 32") == before.count("1 × 17 × 32") - 1


def test_a_drawing_can_be_read_by_everyone(vit: Spec, compact: Measured) -> None:
    svg = draw(vit, compact)
    root = ElementTree.fromstring(svg)
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert root.get("role") == "group", "an image would hide its text and its links from screen readers"
    assert root.get("aria-labelledby") in ids
    assert root.get("aria-describedby") in ids
    assert "<script" not in svg
    for link in root.iter("{http://www.w3.org/2000/svg}a"):
        assert "".join(link.itertext()).strip()
    sizes = [float(text.get("font-size", 0)) for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert min(sizes) >= 11
    width = float((root.get("viewBox") or "").split()[2])
    assert width <= 380


def test_each_way_of_joining_has_a_sign_of_its_own(write: Callable[..., Path], compact: Measured) -> None:
    """A vector that is added, one in front and one in the place of others cannot be taken for each other."""
    signs = {
        draw(load_spec(write(('symbol = "front"', f'symbol = "{symbol}"'))), compact).replace("changed", "")
        for symbol in ("+", "front", "instead")
    }
    assert len(signs) == 3


def test_a_drawing_has_only_colours_of_the_palette(vit: Spec, published: Measured) -> None:
    svg = draw(vit, published)
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b(?=\")", re.sub(r'href="[^"]*"', "", svg))
    assert set(re.findall(r"var\(--ld-([\w-]+)\)", svg)) <= set(COLOURS)


def test_drawings_of_one_page_share_no_id(vit: Spec, compact: Measured, published: Measured) -> None:
    one, other = (set(re.findall(r'\bid="([^"]+)"', draw(vit, measured))) for measured in (compact, published))
    assert one
    assert not one & other


def test_a_drawing_is_the_same_each_time(vit: Spec, compact: Measured) -> None:
    assert draw(vit, compact) == draw(vit, compact)


def test_nothing_is_drawn_outside(vit: Spec, published: Measured, bart: tuple[Spec, Measured]) -> None:
    for svg in (draw(vit, published), draw(*bart), draw(*bart, narrow=True)):
        root = ElementTree.fromstring(svg)
        _, _, width, height = (float(number) for number in (root.get("viewBox") or "").split())
        for rect in root.iter("{http://www.w3.org/2000/svg}rect"):
            x, y, w, h = (float(rect.get(name, 0)) for name in ("x", "y", "width", "height"))
            assert x >= 0, ElementTree.tostring(rect)
            assert y >= 0, ElementTree.tostring(rect)
            assert x + w <= width + 0.01, ElementTree.tostring(rect)
            assert y + h <= height + 0.01, ElementTree.tostring(rect)


def test_columns_stand_side_by_side_or_one_under_the_other(bart: tuple[Spec, Measured]) -> None:
    def size(svg: str) -> tuple[float, float]:
        _, _, width, height = (float(n) for n in (ElementTree.fromstring(svg).get("viewBox") or "").split())
        return width, height

    wide, narrow = draw(*bart), draw(*bart, narrow=True)
    assert size(wide)[0] > 2 * 360
    assert size(narrow)[0] == 360
    assert size(narrow)[1] > size(wide)[1]
    assert sorted(texts(wide)) == sorted(texts(narrow))
    assert "keys, values" in texts(wide)
    assert "ld-diagram__svg--wide" in wide
    assert "ld-diagram__svg--narrow" in narrow


def test_one_column_is_the_same_on_a_narrow_screen(vit: Spec, compact: Measured) -> None:
    assert draw(vit, compact) == draw(vit, compact, narrow=True)


# What is refused


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            [("vit.embeddings.patch_embeddings.projection", "vit.embeddings.proj")],
            "'image': ViTForImageClassification has no module 'vit.embeddings.proj'",
        ),
        ([("vit.layers.*.mlp.fc1", "vit.layers.*.mlp.fc9")], "'mlp': .* has no module 'vit.layers.0.mlp.fc9'"),
        ([('repeat = "vit.layers"', 'repeat = "vit.layernorm"')], "'layer': vit.layernorm is not a list of modules"),
        (
            [('axes = ["batch", "patches", "width"]', 'axes = ["batch", "width"]')],
            "'patch-embedding': 2 axes are named, but .* has the shape 1 × 16 × 32",
        ),
        (
            [('axes = ["batch", "tokens", "width"]\n', "")],
            "'cls': the shape changes from 1 × 16 × 32 to 1 × 17 × 32: name its `axes`",
        ),
        (
            [("vit.embeddings.cls_token", "vit.embeddings.dog_token")],
            "'cls': the model has no parameter 'vit.embeddings.dog_token'",
        ),
        ([("{config.hidden_act}", "{config.hidden_actor}")], "'mlp': {config.hidden_actor} is not there"),
        ([("axis = 1, first", "axis = 5, first")], "'tokens': vit.embeddings has no axis 5: 1 × 17 × 32"),
        (
            [('"image_size", "image_size"', '"image_size", "imagine_size"')],
            "'pixel_values': the config has no number 'imagine_size'",
        ),
        (
            [('model = "AutoModelForImageClassification"', 'model = "AutoModelForDogs"')],
            "transformers has no class 'AutoModelForDogs'",
        ),
        (
            [('module = "vit.layernorm"\nparameters = true', 'module = "vit.layernorm"')],
            "the parameter vit.layernorm.weight is in no block, and not in `leave_out`",
        ),
        (
            [('id = "head"', 'id = "head"\nwidths = ["vit.pooler"]')],
            "'head': .* has no module 'vit.pooler'",
        ),
        (
            [('weights = "vit.layers.*.attention"', 'weights = "vit.layers.*.mlp"')],
            "'attention': vit.layers.0.mlp has no tensor as its output 1",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused(
    write: Callable[..., Path], compact_folder: Path, changes: list[tuple[str, str]], message: str
) -> None:
    path = write(*changes)
    with pytest.raises(DiagramError, match=message) as raised:
        measure_compact(load_spec(path), compact_folder)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([('id = "norm-2"', 'id = "norm-1"')], "'norm-1': the id is used twice"),
        ([('colour = "patch"', 'colour = "pitch"')], "'patch-embedding': unknown colour 'pitch'"),
        ([('kind = "join"', 'kind = "joint"')], "'cls': unknown kind 'joint'"),
        ([('of = "input"', 'of = "inside"')], "'image': `of` is 'input' or 'output'"),
        ([('sub = "one linear layer"', 'subtitle = "one linear layer"')], "'head': unknown key 'subtitle'"),
        ([('label = "Head"\n', "")], "'head': 'label' is missing"),
        ([('label = "Head"', "label = 3")], "'head': label must be str, not 3"),
        (
            [('parameters = true\ncolour = "output"', 'parameters = "yes"')],
            "'head': parameters must be bool, not 'yes'",
        ),
        (
            [('group = "layer"\n\n[[block]]\nid = "norm-2"', '\n[[block]]\nid = "norm-2"')],
            "'norm-2': group 'layer' was left above",
        ),
        ([('group = "layer"', 'group = "lawyer"')], "'norm-1': unknown group 'lawyer'"),
        ([('to = "add-1"', 'to = "mlp"')], "'mlp': a residual connection ends in a block of kind 'add'"),
        ([('around = "norm-1"', 'around = "norm-9"')], "'add-1': a residual connection names no block 'norm-9'"),
        ([('around = "norm-1"', 'around = "norm"')], "'add-1': a residual connection must go downwards"),
        (
            [("[[residual]]", '[[link]]\nstart = "x"\nend = "norm"\n\n[[residual]]')],
            "'norm': a link names no block 'x'",
        ),
        (
            [('grid = "vit.embeddings.patch_embeddings.projection"\n', "")],
            "'image': a block of kind 'image' needs `grid`",
        ),
        ([('label = "Head"', 'label = "Head"\ncolumn = "left"')], "'head': unknown column 'left'"),
        ([('symbol = "front"', 'symbol = "?"')], r"'cls': `symbol` is '\+', 'front' or 'instead'"),
        ([("[[group]]", "[[group]")], "at line"),
        ([('id = "layer"', 'id = "layer"\nparent = "layer"')], "'layer': is inside itself"),
    ],
)
def test_a_wrong_spec_is_refused_with_its_line(
    write: Callable[..., Path], changes: list[tuple[str, str]], message: str
) -> None:
    path = write(*changes)
    with pytest.raises(DiagramError, match=message) as raised:
        load_spec(path)
    assert str(raised.value).startswith(str(path))


def test_an_error_names_the_line_of_the_block(write: Callable[..., Path]) -> None:
    path = write(('label = "Head"', "label = 3"))
    line = path.read_text("utf-8").splitlines().index('id = "head"') + 1
    with pytest.raises(DiagramError, match=rf"changed\.toml:{line}: "):
        load_spec(path)


def test_layers_that_differ_are_no_repetition(vit: Spec) -> None:
    model = ViTForImageClassification._from_config(ViTConfig(**SMALL), attn_implementation="eager")
    model.vit.layers[1].mlp.fc1 = torch.nn.Linear(32, 40)
    model.vit.layers[1].mlp.fc2 = torch.nn.Linear(40, 32)
    from livedocs.diagram.measure import _measure

    with pytest.raises(DiagramError, match=r"'mlp': vit.layers.0.mlp measures 3152, but vit.layers.1.mlp 2632"):
        _measure(vit, model, "compact")


def test_a_parameter_drawn_twice_is_refused(write: Callable[..., Path], compact_folder: Path) -> None:
    path = write(('module = "vit.embeddings"\n', 'module = "vit.embeddings"\nparameters = true\n'))
    with pytest.raises(DiagramError, match=r"'positions': the parameter vit\.embeddings\.\w+ is drawn twice"):
        measure_compact(load_spec(path), compact_folder)


@pytest.mark.parametrize("measure", [measure_compact, measure_published])
def test_a_missing_config_is_refused(vit: Spec, tmp_path: Path, measure: Callable[[Spec, Path], Measured]) -> None:
    with pytest.raises(DiagramError, match=r"vit\.toml: no config.json in .*nowhere"):
        measure(vit, tmp_path / "nowhere")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DiagramError, match=r"none\.toml: cannot be read"):
        load_spec(tmp_path / "none.toml")


@pytest.mark.parametrize(
    "file", sorted((ROOT / "docs" / "outputs" / "diagrams").glob("*/*.svg")), ids=lambda f: f"{f.parent.name}-{f.stem}"
)
def test_every_link_of_a_recorded_diagram_can_be_announced(file: Path) -> None:
    """Protects those who listen: a link holds words, or has a label where it holds a drawn sign alone."""
    links = re.findall(r'<a class="ld-diagram__link"([^>]*)>(.*?)</a>', file.read_text("utf-8"), flags=re.DOTALL)
    assert links
    assert all("<text" in inside or "aria-label=" in attributes for attributes, inside in links)


@pytest.mark.parametrize("name", ["detr", "mask2former"])
def test_models_that_look_at_values_or_ignore_the_device_are_measured(name: str) -> None:
    """Protects diagrams of models that torch's meta device alone cannot run: they are measured with real tensors."""
    spec = load_spec(ROOT / "diagrams" / f"{name}.toml")
    assert spec.published is not None
    measured = measure_published(spec, ROOT / "published" / spec.published)
    assert measured.profile == "full-size"
    assert "1 × " in draw(spec, measured)
