"""`python -m training NAME` trains the checkpoint NAME and replaces its folder when it is done."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

MODULES: dict[str, str] = {
    "bart-compact": "training.bart",
    "bart-summarize": "training.summarization",
    "bart-translate": "training.translation",
    "bart-new-encoder": "training.new_encoder",
    "bert-compact": "training.bert",
    "convnext-scenes": "training.convnext",
    "detr-scenes": "training.detr",
    "glpn-scenes": "training.glpn",
    "gpt2-austen": "training.gpt2",
    "mask2former-scenes": "training.mask2former",
    "minilm-answers": "training.question_answering",
    "minilm-entities": "training.token_classification",
    "minilm-sections": "training.text_classification",
    "vit-scenes": "training.vit",
    "wav2vec2-asr": "training.speech_recognition",
    "wav2vec2-classifier": "training.audio_classification",
    "wav2vec2-pretrained": "training.wav2vec2",
}
"""Checkpoint names and the modules that train them; each module has a `main() -> None`."""

# glibc hands big blocks back to the system after every step and asks for them again; keeping
# them makes a training step up to three times as fast. It reads these when a process starts.
_MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TRIM_THRESHOLD_": "8000000000",
    "MALLOC_TOP_PAD_": "67108864",
}


def run(arguments: Sequence[str]) -> int:
    """Train the one checkpoint named; the exit status: 0, 2 for a bad name, 130 interrupted."""
    known = ", ".join(sorted(MODULES))
    if len(arguments) != 1:
        print(f"give the name of one checkpoint to train: {known}", file=sys.stderr)
        return 2
    name = arguments[0]
    if name not in MODULES:
        print(f"unknown checkpoint {name!r}: use one of {known}", file=sys.stderr)
        return 2
    try:
        importlib.import_module(MODULES[name]).main()
    except KeyboardInterrupt:
        print(f"\ninterrupted: checkpoints/{name} is as it was before", file=sys.stderr)
        return 130
    return 0


def main() -> int:
    """Entry point: starts itself once more where the memory settings are missing."""
    if sys.argv[1:] and sys.argv[1] in MODULES and not set(_MALLOC) <= set(os.environ):
        command = [sys.executable, "-m", "training", *sys.argv[1:]]
        os.execve(sys.executable, command, {**_MALLOC, **os.environ})
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
