"""What every guide does before and while it trains, and what is not the point of any: checks, and a progress bar.

Each check ends in one clear error before time is spent. Without it, the same mistake ends in a message from deep inside
another library, or in a process that the operating system kills.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm
from transformers import PrinterCallback, ProgressCallback, Trainer, TrainerCallback

if TYPE_CHECKING:
    from torch import nn

# Without a graphics card, torch says for every pass over the data that it needs no memory for one.
warnings.filterwarnings("ignore", message=".*pin_memory.*")

BYTES_A_WEIGHT = 16
"""A weight in single precision, its gradient, and AdamW's two averages, of four bytes each."""


def checkpoint(folder: str | Path) -> str:
    """The folder of a checkpoint, if a model can be loaded from it.

    Args:
        folder: The folder, or the name of a checkpoint on the hub, which is returned as it is.

    Raises:
        FileNotFoundError: A file is missing.
    """
    path = Path(folder)
    if not path.is_absolute() and path.parts[0] != "checkpoints":
        return str(folder)
    missing = [name for name in ("config.json", "model.safetensors") if not (path / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"the checkpoint {path} lacks {' and '.join(missing)}. Run this in the root of a complete checkout of the "
            f"project; `make train NAME={path.name}` trains the checkpoint again."
        )
    return str(path)


def check_memory(model: nn.Module, activations: float = 0.5) -> None:
    """See whether there is memory enough to train a model.

    Args:
        model: The model. Weights without gradients need a quarter of the others.
        activations: What else a step needs, in gigabytes; it grows with the batch.

    Raises:
        MemoryError: There is less than the step will need.
    """
    import psutil

    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    frozen = sum(weight.numel() for weight in model.parameters()) - trained
    needed = (trained * BYTES_A_WEIGHT + frozen * 4) / 1e9 + activations
    free = psutil.virtual_memory().available / 1e9
    if needed > free:
        raise MemoryError(
            f"training {trained:,} weights takes about {needed:.1f} GB, and {free:.1f} GB are free. Close other programs, "
            "use smaller batches, freeze layers, or take a smaller model."
        )


def check_labels(model: nn.Module, labels: Iterable[int | Sequence[int]], ignored: int = -100) -> None:
    """See whether the head of a model has an output for every label.

    Args:
        model: A model with a classification head.
        labels: Numbers, or lists of numbers.
        ignored: A number that the loss leaves out.

    Raises:
        ValueError: A label has no output.
    """
    outputs: int = model.config.num_labels  # type: ignore[assignment, union-attr]
    for place, label in enumerate(labels):
        for number in label if isinstance(label, Sequence) and not isinstance(label, str) else [label]:
            if number != ignored and not (isinstance(number, int) and 0 <= number < outputs):
                raise ValueError(
                    f"example {place} has the label {json.dumps(number, default=str)}, and the head has {outputs} outputs, "
                    f"for 0 to {outputs - 1}. Count the labels of the data, and load the model with that `num_labels`."
                )


def check_tokens(model: nn.Module, sequences: Iterable[Sequence[int]], what: str = "example") -> None:
    """See whether a model can read sequences of tokens, or write them.

    Args:
        model: A model that reads text.
        sequences: The numbers of the tokens.
        what: What a sequence is called in a message.

    Raises:
        ValueError: A sequence is empty or longer than the model reads, or a token is none of its vocabulary.
    """
    # A model whose positions are distances, such as T5, has no table of them that could end.
    longest: int | None = getattr(model.config, "max_position_embeddings", None)
    entries: int = model.config.vocab_size  # type: ignore[assignment, union-attr]
    for place, sequence in enumerate(sequences):
        if not sequence or (longest is not None and len(sequence) > longest):
            most = "or more" if longest is None else f"to {longest}"
            raise ValueError(
                f"{what} {place} has {len(sequence)} tokens, and the model reads 1 {most}. Leave empty texts out, "
                "and cut long ones."
            )
        for number in (min(sequence), max(sequence)):
            if not 0 <= number < entries:
                raise ValueError(
                    f"{what} {place} has token {number}, and the model's vocabulary ends at {entries - 1}. Take the "
                    "tokenizer that belongs to the model."
                )


def check_pairs(model: nn.Module, sources: Iterable[Sequence[int]], targets: Iterable[Sequence[int]]) -> None:
    """See whether an encoder-decoder can be trained on pairs of tokenized texts.

    Args:
        model: A model that reads a text and writes one.
        sources: The numbers of the tokens that it reads.
        targets: Those that it shall write.

    Raises:
        ValueError: A text has no tokens, or more than the model reads, or a token that is not in its vocabulary.
    """
    check_tokens(model, sources, "the source of example")
    check_tokens(model, targets, "the target of example")


class Progress(TrainerCallback):
    """One bar for the training, with the loss in it, in place of a line for each entry of the log."""

    def __init__(self) -> None:
        self.bar: tqdm[Any] | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Open the bar."""
        self.bar = tqdm(total=state.max_steps, unit="step", dynamic_ncols=True)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Advance it."""
        if self.bar is not None:
            self.bar.update(state.global_step - self.bar.n)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Show the loss."""
        if self.bar is not None and logs and "loss" in logs:
            self.bar.set_postfix(loss=f"{float(logs['loss']):.3f}")

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Close it."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def show_progress(trainer: Trainer) -> None:
    """Give a trainer one progress bar, and take away what prints its log. The log stays in `trainer.state.log_history`."""
    from transformers.trainer import DEFAULT_PROGRESS_CALLBACK

    for callback in (PrinterCallback, ProgressCallback, DEFAULT_PROGRESS_CALLBACK):
        trainer.remove_callback(callback)
    trainer.add_callback(Progress())
