"""Guides: each trains, gives what its notebook shows, and opens in Jupyter; mistakes are named."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import SimpleNamespace

import nbformat
import psutil
import pytest
from conftest import Toy
from nbclient import NotebookClient
from torch import nn

from guides.common import check_labels, check_memory, check_pairs, check_tokens, checkpoint
from livedocs import notebook_pages
from livedocs.errors import DocsError
from livedocs.guides import FIND_DATA, Guides, whole_run_wanted

ROOT = Path(__file__).parents[1]
GUIDES = Guides(ROOT)
NAMES = GUIDES.names()
TASK_PAGES = {
    "text_classification": "text-classification.md",
    "token_classification": "token-classification.md",
    "question_answering": "question-answering.md",
    "masked_language_modelling": "bert.md",
    "causal_language_modelling": "text-generation.md",
    "summarization": "summarization.md",
    "translation": "translation.md",
    "image_classification": "image-classification-vit.md",
    "object_detection": "object-detection-detr.md",
    "depth_estimation": "depth-estimation-glpn.md",
    "audio_classification": "audio-classification.md",
    "image_segmentation": "image-segmentation-mask2former.md",
    "speech_recognition": "speech-recognition.md",
}
"""The page that explains the model of each guide."""

GUIDE = """\
# %% [markdown]
# # Train a toy
#
# It *learns* to [count](../index.md).

# %% setup
STEPS = 3  # suite: 2
SIZE = 1  # full size: 2

# %% train tags=["learned"] alt="A rising line."
import matplotlib.pyplot as plt

score = sum([0.1] * STEPS)
plt.plot([1, STEPS])
plt.show()
print(f"{STEPS} steps, loss {1 / STEPS:.2f}")
assert score > 0.05 * STEPS  # claim: guide-toy-better

# %% [markdown]
# It [gets better](claim:guide-toy-better).

# %% result tags=["trained"]
for word, value in {"base": "none", "data": "numbers", "training": "3 numbers", "held out": "2", "metric": "share"}.items():
    print(f"{word:8}  {value}")
print("before    0.10")
print(f"after     {score:.2f}")
"""


@pytest.fixture
def guides(toy: Toy) -> Guides:
    """A project with one guide, recorded."""
    toy.record()
    toy.write("guides/toy_guide.py", GUIDE)
    toy.replace("mkdocs.yml", "plugins: []\n", "plugins: []\nnav: [index.md, guides/toy-guide.ipynb]\n")
    toy.record("guides/toy_guide")
    return Guides(toy.root)


# -- the guides of the project -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_guide_gives_what_its_notebook_shows(name: str) -> None:
    """Protects the promise of each guide: it trains, its assertions hold, and its outputs come out again.

    A guide that takes long runs with the fewer steps that its `# suite:` comments give; GUIDES=whole runs all of them.
    """
    assert name in GUIDES.verify(name, whole=whole_run_wanted())


@pytest.mark.parametrize("name", NAMES)
def test_one_step_on_the_published_architecture(name: str) -> None:
    """Protects the full-size notebooks: the published architecture loads, takes one optimisation step, and is saved."""
    runs = {run.name: run.output.text for run in GUIDES.verify_full_size(name)}
    assert runs["train"].startswith("1 step")
    assert "save" in runs


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_holds_the_code_and_the_recorded_outputs(name: str) -> None:
    """Protects those who open the notebook: it is valid, is the guide's code, and shows what was recorded."""
    guide = GUIDES.read(name)
    book = nbformat.read(GUIDES.page(guide), as_version=4)
    nbformat.validate(book)
    code = {cell.metadata["name"]: cell for cell in book.cells if cell.cell_type == "code"}
    assert list(code) == ["find-data", *(cell.name for cell in guide.cells)]
    record = GUIDES.records.read(guide)
    for cell in guide.cells:
        assert code[cell.name].source.strip() == cell.source.strip()
        printed = "".join(output.text for output in code[cell.name].outputs if output.output_type == "stream")
        assert printed == record.cells[cell.name].text
        shown = [output for output in code[cell.name].outputs if output.output_type == "display_data"]
        assert len(shown) == len(cell.alts)
    assert not [output for cell in code.values() for output in cell.outputs if output.output_type == "error"]


def test_a_notebook_runs_from_top_to_bottom_in_jupyter() -> None:
    """Protects those who open a notebook in its own folder: in a kernel, it finds the data and runs to its end."""
    name = NAMES[0]
    book = nbformat.read(GUIDES.page(GUIDES.read(name)), as_version=4)
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.source = re.sub(r"^STEPS = .*$", "STEPS = 2", cell.source, flags=re.M)
            # Two steps teach nothing; that the assertions hold is another test.
            cell.source = re.sub(r"^assert .*$", "", cell.source, flags=re.M)
    kernel = {"metadata": {"path": str(ROOT / "docs/guides")}}
    before = dict(os.environ)
    os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1")
    try:
        NotebookClient(book, timeout=180, resources=kernel).execute()
    finally:
        os.environ.clear()
        os.environ.update(before)
    assert book.cells[-1].outputs[0].text.startswith("base ")


@pytest.mark.parametrize("name", NAMES)
def test_a_task_page_and_its_guide_link_each_other(name: str) -> None:
    """Protects the way from the explanation to the practice, and back."""
    page = TASK_PAGES[name]
    guide = GUIDES.read(name)
    assert f"](guides/{GUIDES.page(guide).name})" in (ROOT / "docs" / page).read_text("utf-8")
    assert f"](../{page})" in "\n".join(line for _, line in guide.prose)


@pytest.mark.parametrize("name", NAMES)
def test_a_guide_says_what_changes_at_scale(name: str) -> None:
    """Protects those who go on from here: several cards, precision, and a data set of the hub by name."""
    prose = "\n".join(line for _, line in GUIDES.read(name).prose)
    for words in ("accelerate launch", "bf16=True", 'load_dataset("'):
        assert words in prose


# -- bad input -----------------------------------------------------------------------------------------------------------


def test_a_missing_checkpoint_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects those with an incomplete checkout: the message names the folder, the file, and what makes it again."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"checkpoints/toy lacks config.json and model.safetensors"):
        checkpoint("checkpoints/toy")
    folder = tmp_path / "checkpoints" / "toy"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}", "utf-8")
    with pytest.raises(FileNotFoundError, match=r"lacks model.safetensors.*make train NAME=toy"):
        checkpoint("checkpoints/toy")
    (folder / "model.safetensors").write_bytes(b"")
    assert checkpoint("checkpoints/toy") == "checkpoints/toy"
    assert checkpoint("distilbert/distilbert-base-uncased") == "distilbert/distilbert-base-uncased"


def test_too_little_memory_is_told_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects against a process that the system kills without a word: what is needed and what is free are told first."""
    model = nn.Linear(1000, 1000, bias=False)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=0.51e9))
    with pytest.raises(
        MemoryError, match=r"training 1,000,000 weights takes about 0.5 GB, and 0.5 GB are free\. Close"
    ):
        check_memory(model)
    model.weight.requires_grad_(False)  # a frozen weight needs no gradient and no averages
    check_memory(model)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        pytest.param([0, 3], "example 1 has the label 3, and the head has 3 outputs, for 0 to 2", id="too large"),
        pytest.param([-1], "example 0 has the label -1", id="negative"),
        pytest.param([0, "games"], 'example 1 has the label "games"', id="a name"),
        pytest.param([[0, -100], [2, 7]], "example 1 has the label 7", id="in a list"),
        pytest.param([0.5], "example 0 has the label 0.5", id="a fraction"),
    ],
)
def test_labels_that_do_not_fit_the_head_are_named(labels: list[int], said: str) -> None:
    """Protects against an index error deep inside the loss: the first bad label and the size of the head are told."""
    model = SimpleNamespace(config=SimpleNamespace(num_labels=3))
    with pytest.raises(ValueError, match=re.escape(said)):
        check_labels(model, labels)  # type: ignore[arg-type]
    check_labels(model, [0, 2, -100, [1, 2]])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sequences", "said"),
    [
        pytest.param([[0, 9], [1] * 6], "example 1 has 6 tokens, and the model reads 1 to 5", id="too long"),
        pytest.param([[]], "example 0 has 0 tokens", id="empty"),
        pytest.param([[0], [3, 10, 2]], "example 1 has token 10, and the model's vocabulary ends at 9", id="unknown"),
        pytest.param([[4, -100]], "example 0 has token -100", id="a label"),
    ],
)
def test_tokens_that_a_model_cannot_read_are_named(sequences: list[list[int]], said: str) -> None:
    """Protects against an index error deep inside the embeddings: the first bad sequence and the model's limit are told."""
    model = SimpleNamespace(config=SimpleNamespace(max_position_embeddings=5, vocab_size=10))
    with pytest.raises(ValueError, match=re.escape(said)):
        check_tokens(model, sequences)  # type: ignore[arg-type]
    check_tokens(model, [[0, 9], [3] * 5])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sources", "targets", "said"),
    [
        pytest.param(
            [[5], [5, 40]], [[1], [2]], "the source of example 1 has token 40, and the model's vocabulary", id="read"
        ),
        pytest.param([[5]], [[-1]], "the target of example 0 has token -1", id="written"),
        pytest.param([[5], [6]], [[1], []], "the target of example 1 has 0 tokens", id="empty"),
        pytest.param([[5] * 9], [[1]], "has 9 tokens, and the model reads 1 to 8", id="long"),
    ],
)
def test_pairs_that_do_not_fit_an_encoder_decoder_are_named(
    sources: list[list[int]], targets: list[list[int]], said: str
) -> None:
    """Protects against index errors and losses that are no numbers: the first bad pair and the limit are told."""
    model = SimpleNamespace(config=SimpleNamespace(vocab_size=40, max_position_embeddings=8))
    with pytest.raises(ValueError, match=re.escape(said)):
        check_pairs(model, sources, targets)  # type: ignore[arg-type]
    check_pairs(model, [[0, 39], [5] * 8], [[1], [2]])  # type: ignore[arg-type]
    without_a_table = SimpleNamespace(config=SimpleNamespace(vocab_size=40))
    check_pairs(without_a_table, [[5] * 900], [[1]])  # type: ignore[arg-type]


def test_a_notebook_outside_of_a_checkout_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects those who take a notebook alone: they are told what it needs."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="put it into a checkout of the project"):
        exec(FIND_DATA, {})


# -- the tool ------------------------------------------------------------------------------------------------------------


def test_a_recorded_guide_is_in_order(guides: Guides, toy: Toy) -> None:
    """Protects the three things that a record makes: the notebook, what can be downloaded, and the row of the table."""
    assert not list(guides.problems())
    assert toy.check().endswith("all fit together")
    row = toy.read("docs/outputs/guides.txt").splitlines()[2]
    assert row.startswith("| [Train a toy](toy-guide.ipynb) | none | numbers | 3 numbers | 2 | 0.")
    assert row.endswith("| share | 0.10 | 0.30 |")
    book = nbformat.read(toy.root / "docs/guides/toy-guide.ipynb", as_version=4)
    assert book["metadata"]["livedocs"]["description"] == "It learns to count."
    figure = book["cells"][4]["outputs"][1]
    assert figure["data"]["text/plain"] == "A rising line."
    assert "var(--ld-" in (svg := figure["data"]["image/svg+xml"]) and not re.search(r"var\(--ld-[a-z-]+\)", svg)
    assert (toy.root / "docs/outputs/guides/toy_guide/toy_guide-full-size.ipynb").exists()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param("# # Train", "# Train", "a guide begins with", id="title"),
        pytest.param(' alt="A rising line."', "", "cell 'train' shows 1 figure(s)", id="no description"),
        pytest.param(
            "(claim:guide-toy-better)", "(claim:guide-other)", "nothing proves claim 'guide-other'", id="link"
        ),
        pytest.param(
            "[gets better](claim:guide-toy-better)", "gets", "no text links claim 'guide-toy-better'", id="no link"
        ),
        pytest.param("guide-toy-better", "toy-sum", "claim 'toy-sum' is proved twice", id="claim of a page"),
        pytest.param('print("before    0.10")\n', "", "prints a line for each of: base, data", id="no score"),
        pytest.param("STEPS = 3 ", "STEPS = 4 ", "cell 'setup' is stale", id="stale"),
        pytest.param("It *learns*", "He learns", "toy-guide.ipynb: missing or stale", id="other prose"),
    ],
)
def test_mistakes_in_a_guide_are_named(guides: Guides, toy: Toy, old: str, new: str, said: str) -> None:
    """Protects authors: what `make check` finds in a guide is told with its file, and what to do."""
    text = toy.read("guides/toy_guide.py")
    assert old in text
    toy.write("guides/toy_guide.py", text.replace(old, new))
    if "prints" in said:
        with pytest.raises(DocsError) as caught:
            toy.record("guides/toy_guide")
        assert said in str(caught.value)
    assert any(said in str(problem) for problem in guides.problems())


def test_a_guide_outside_of_the_navigation_is_named(guides: Guides, toy: Toy) -> None:
    """Protects against a guide that nobody finds."""
    toy.replace("mkdocs.yml", "nav: [index.md, guides/toy-guide.ipynb]\n", "")
    assert "not in the navigation" in str(next(guides.problems()))


def test_an_unknown_guide_is_refused(toy: Toy) -> None:
    """Protects against typing errors, when a guide is recorded."""
    with pytest.raises(DocsError, match=r"there is no guides/nothing\.py; known: none"):
        toy.record("guides/nothing")


def test_a_short_run_compares_what_training_does_not_decide(guides: Guides, toy: Toy) -> None:
    """Protects the time of the suite, and its honesty: with fewer steps the assertions hold, and a whole run is compared."""
    os.environ["LIVEDOCS_CACHE"] = "off"
    assert guides.verify("toy_guide").endswith("3 cells passed with fewer steps")
    assert guides.verify("toy_guide", whole=True).endswith("3 cells passed")
    file = toy.root / "docs/outputs/guides/toy_guide/compact/train.txt"
    for printed, fits in (("3 steps, loss 0.35\n", True), ("3 steps, loss 0.60\n", False)):
        file.write_text(printed, "utf-8")
        fresh = Guides(toy.root)
        assert fresh.verify("toy_guide").endswith("with fewer steps")
        if fits:
            fresh.verify("toy_guide", whole=True)
        else:
            with pytest.raises(DocsError, match="prints something else than the page shows"):
                fresh.verify("toy_guide", whole=True)


def test_full_size_takes_one_step(guides: Guides) -> None:
    """Protects the proof of the full-size profile: as many cells as make sense with random weights, and a single step."""
    runs = guides.verify_full_size("toy_guide")
    assert [run.name for run in runs] == ["setup", "train"]
    assert runs[1].output.text.startswith("1 steps")


@pytest.fixture
def site(guides: Guides, toy: Toy) -> Toy:
    """The project with a guide, and with what makes a page of it."""
    toy.replace(
        "mkdocs.yml", "plugins: []\n", "plugins: [mkdocs-jupyter: {include: ['guides/*.ipynb'], cache: false}]\n"
    )
    hook = Path(notebook_pages.__file__)
    toy.replace("mkdocs.yml", "validation:", f"hooks: ['{os.path.relpath(hook, toy.root)}']\nvalidation:")
    return toy


def test_a_notebook_is_a_page_of_the_site(site: Toy) -> None:
    """Protects the look of the guides and their readers: the markup of all pages, no script or style of another origin."""
    assert site.build().lstrip().startswith("<!doctype html>")
    html = site.read("site/guides/toy-guide.html")
    for part in (
        '<h1 id="train-a-toy">Train a toy',
        'href="../index.html">count</a>',
        'data-cell="guides/toy_guide/train"',
        '<svg role="img" aria-label="A rising line."',
        "3 steps, loss 0.33",
        '<a class="ld-claim" href="#claim-guide-toy-better">gets better</a>',
        'id="claim-guide-toy-better"',
        'href="../outputs/guides/toy_guide/toy_guide.py" download>script</a>',
        'href="../outputs/guides/toy_guide/toy_guide-full-size.ipynb" download>full-size notebook</a>',
    ):
        assert part in html, part
    assert "jupyter" not in html.lower().replace("mkdocs-jupyter", "")
    assert not re.search(r"(mathjax|mermaid|require\.js|cdnjs)", html, re.I)
    assert "find-data" not in html
    assert len(html) < 60_000


def test_a_dead_link_in_a_guide_stops_the_build(site: Toy) -> None:
    """Protects readers of the guides: their links between pages are checked like those of all pages."""
    site.replace("guides/toy_guide.py", "../index.md", "../nowhere.md")
    site.record("guides/toy_guide")
    assert "docs/guides/toy-guide.ipynb: links to ../nowhere.md, and there is no docs/nowhere.md" in site.build()


def test_an_error_in_a_notebook_stops_the_build(site: Toy) -> None:
    """Protects against a traceback that is published: a notebook that was run elsewhere and failed is no page."""
    file = site.root / "docs/guides/toy-guide.ipynb"
    book = nbformat.read(file, as_version=4)
    book.cells[4].outputs = [nbformat.v4.new_output("error", ename="ValueError", evalue="too small", traceback=[])]
    nbformat.write(book, file)
    assert "cell 'train' holds an error: too small" in site.build()
