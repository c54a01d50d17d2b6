"""Published architectures with random weights, so that full-size code runs without a network.

`published/<owner>/<name>/` holds the configuration files of a checkpoint on the hub. From them this module builds the
same architecture with random weights. A snippet's full-size code then runs in a folder in which the hub's names are
folders: `from_pretrained("google/vit-base-patch16-224")` finds a local folder of that name and loads it. Every shape is
the published one; predictions mean nothing, which is why cells tagged `trained` are left out.

A text model needs a tokenizer too. Its file is large, and may lie in an installed package already: then the one line of
`published/<owner>/<name>/tokenizer.from` is the name of that package.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import tempfile
from pathlib import Path

from livedocs.errors import DocsError
from livedocs.snippets import Snippet

SEED = 0
"""Seed of the random weights."""

TOKENIZER_FROM = "tokenizer.from"
"""The file that names the package which holds the tokenizer."""


def hub_names(snippet: Snippet) -> dict[str, int]:
    """The checkpoints of the hub that a snippet names in its full-size profile alone, with the line of each."""
    lines = {profile: _strings(snippet.in_profile(profile)) for profile in ("compact", "full-size")}
    names = sorted(lines["full-size"].keys() - lines["compact"].keys())
    return {
        name: lines["full-size"][name] for name in names if re.fullmatch(r"[\w.-]*\w[\w.-]*/[\w.-]*\w[\w.-]*", name)
    }


def _strings(snippet: Snippet) -> dict[str, int]:
    nodes = [node for node in ast.walk(snippet.tree) if isinstance(node, ast.Constant)]
    return {node.value: node.lineno for node in nodes if isinstance(node.value, str)}


def build(name: str, root: Path) -> Path:
    """A folder with the published architecture of a checkpoint, random weights, and the processor's or tokenizer's files.

    It is built once and kept under `.cache/`; other settings, another tokenizer or another torch make another one.

    Args:
        name: The checkpoint's name on the hub.
        root: The project's root, with the folder `published/`.

    Raises:
        DocsError: There is no configuration for it, or none that `transformers` can read; or its tokenizer is missing.
    """
    source = root / "published" / name
    config_file = source / "config.json"
    if not config_file.exists():
        raise DocsError(
            f"the configuration of {name} is missing; put its config.json and processor settings there",
            file=config_file.relative_to(root),
            line=1,
        )
    import torch
    import transformers

    digest = hashlib.sha256(f"{torch.__version__} {transformers.__version__} {SEED}".encode())
    for file in sorted(source.iterdir()):
        digest.update(file.name.encode() + file.read_bytes())
    tokenizer = borrowed_tokenizer(source, root)
    if tokenizer is not None:
        digest.update(tokenizer.read_bytes())
    target = root / ".cache" / "published" / digest.hexdigest()[:16] / name
    if target.exists():
        return target
    try:
        settings = json.loads(config_file.read_text("utf-8"))
        architecture = getattr(transformers, settings["architectures"][0])
        with torch.random.fork_rng(devices=[]):  # a snippet's random numbers are the same, built now or before
            torch.manual_seed(SEED)
            model = architecture(transformers.AutoConfig.from_pretrained(source))
    except Exception as error:
        raise DocsError(
            f"cannot build a model from this configuration ({type(error).__name__}: {error}); fetch it again",
            file=config_file.relative_to(root),
            line=1,
        ) from None
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, ignore_cleanup_errors=True) as folder:
        model.save_pretrained(folder)
        if tokenizer is not None:
            _fit(tokenizer, model.config.vocab_size, Path(folder) / "tokenizer.json")
        for file in source.iterdir():
            if file.suffix in {".json", ".txt", ".model"} and file.name != "config.json":
                shutil.copy(file, folder)
        try:
            os.rename(folder, target)
        except OSError:  # another process was faster, and its folder is the same
            if not target.exists():
                raise
    return target


def borrowed_tokenizer(source: Path, root: Path) -> Path | None:
    """The `tokenizer.json` of the package or folder that `tokenizer.from` names; None where there is no such file.

    The package is not imported: it may need others that are not there. A name with a slash is a folder of the project.

    Args:
        source: The folder of the published configuration.
        root: The project's root.

    Raises:
        DocsError: The file names no package or folder, a package that is not installed, or one without a tokenizer.
    """
    marker = source / TOKENIZER_FROM
    if not marker.exists():
        return None
    place = marker.relative_to(root)
    package = marker.read_text("utf-8").strip()
    if re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)+", package):
        inside = root / package / "tokenizer.json"
        if not inside.is_file():
            message = f"{package}/tokenizer.json is missing; name a folder of this project that holds one"
            raise DocsError(message, file=place, line=1)
        return inside
    if not re.fullmatch(r"[\w.-]+", package):
        message = "this shall be one line, the name of a package that holds a tokenizer.json"
        raise DocsError(message, file=place, line=1)
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        message = f"the package {package} is not installed, and the tokenizer is in it; install requirements.txt"
        raise DocsError(message, file=place, line=1) from None
    found = [Path(str(file.locate())) for file in files if file.name == "tokenizer.json"]
    found = [file for file in found if file.is_file()]
    if len(found) != 1:
        message = f"the package {package} holds {len(found)} files named tokenizer.json; name one that holds one"
        raise DocsError(message, file=place, line=1)
    return found[0]


def _fit(tokenizer: Path, vocab_size: int, target: Path) -> None:
    """Write a tokenizer that gives no number beyond the model's vocabulary, and that does not pad or cut by itself.

    A cased model has a smaller vocabulary than the uncased one that stands in for its own. So the rarest entries go, and
    their words fall into pieces. The model keeps its published size.
    """
    settings = json.loads(tokenizer.read_text("utf-8"))
    settings |= {"truncation": None, "padding": None}
    if settings["model"]["type"] == "WordPiece":
        entries = settings["model"]["vocab"].items()
        settings["model"]["vocab"] = {piece: number for piece, number in entries if number < vocab_size}
    target.write_text(json.dumps(settings, ensure_ascii=False), "utf-8")


def workplace(snippet: Snippet, root: Path, *, from_hub: bool = False) -> tempfile.TemporaryDirectory[str]:
    """An empty folder for a full-size run, in which the hub's names resolve to random weights.

    Args:
        snippet: The snippet that shall run.
        root: The project's root.
        from_hub: Leave the folder empty, so that the names resolve on the hub itself.
    """
    folder = tempfile.TemporaryDirectory(prefix="full-size-")
    if not from_hub:
        for name, line in hub_names(snippet).items():
            if not (root / "published" / name / "config.json").exists():
                raise DocsError(
                    f"published/{name}/config.json is missing, so this cannot run offline; put the published "
                    "configuration and the processor's settings there",
                    file=snippet.file,
                    line=line,
                )
            link = Path(folder.name) / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(build(name, root))
    return folder
