"""What guides about sound check before they train."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np


def check_recordings(recordings: Iterable[tuple[Any, int]], rate: int) -> None:
    """See whether recordings can be given to a model.

    Without this, a wrong rate makes every sound deeper or higher, and silence becomes noise when it is scaled: the model
    learns or answers, and nothing says that it is nonsense.

    Args:
        recordings: Samples, and how many of them make a second.
        rate: How many a second the model knows.

    Raises:
        ValueError: A recording is none, or does not fit.
    """
    for place, (samples, found) in enumerate(recordings):
        wave = np.asarray(samples)
        if wave.ndim != 1 or not wave.size:
            raise ValueError(
                f"recording {place} has the shape {wave.shape}, and one row of samples is needed. Average the channels."
            )
        if not np.isfinite(wave).all():
            raise ValueError(f"recording {place} holds samples that are no numbers. Read the file again.")
        if found != rate:
            raise ValueError(
                f"recording {place} has {found:,} samples a second, and the model knows {rate:,}. Resample it, such as with "
                f"soxr.resample(samples, {found}, {rate})."
            )
        if float(np.abs(wave).max()) < 1e-4:
            raise ValueError(
                f"recording {place} is silent. Leave it out, or look for what went wrong when it was made."
            )
