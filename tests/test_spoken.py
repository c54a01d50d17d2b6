"""Lines said for the guides: held-out voices, the same recordings every time; and sound that no model should get is named."""

from __future__ import annotations

import re

import numpy as np
import pytest

from guides.common.sound import check_recordings
from sample_data import speech
from sample_data.speech import RATE, SpeechError
from sample_data.spoken import said


def test_lines_are_said_in_voices_of_their_split_and_the_same_every_time() -> None:
    """Protects the scores of the guides: no voice of the test is trained on, and a run can be repeated."""
    lines = ["open", "monday nine may"]
    one, two = said(lines, "test", 2), said(lines, "test", 2)
    assert [clip.text for clip in one] == lines * 2
    assert len({clip.voice for clip in one}) > 1
    for first, second in zip(one, two, strict=True):
        assert speech.split(first.voice.split("+")[1]) == "test"
        assert first.voice == second.voice
        np.testing.assert_allclose(first.samples, second.samples, atol=1e-3)
        assert 0.2 < first.seconds < 3 and first.samples.dtype == np.float32
    assert [clip.voice for clip in said(lines, "test", 2, seed=1)] != [clip.voice for clip in one]
    assert {clip.voice for clip in said(lines, "train")}.isdisjoint({clip.voice for clip in one})


@pytest.mark.parametrize(("lines", "times"), [([], 1), (["open", " "], 1), (["open"], 0)])
def test_nothing_to_say_is_refused(lines: list[str], times: int) -> None:
    """Protects against an error in another process, whose message would be hard to read."""
    with pytest.raises(ValueError, match="give at least one line"):
        said(lines, "train", times)


def test_a_process_that_fails_is_told() -> None:
    """Protects against recordings that are silently missing."""
    with pytest.raises(SpeechError, match="espeak-ng did not finish"):
        said(["open"], "nowhere")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("samples", "rate", "said_of_it"),
    [
        pytest.param(
            np.ones(9), 44_100, "recording 1 has 44,100 samples a second, and the model knows 16,000", id="rate"
        ),
        pytest.param(np.zeros(9), RATE, "recording 1 is silent", id="silent"),
        pytest.param(np.array([0.1, np.nan]), RATE, "recording 1 holds samples that are no numbers", id="no numbers"),
        pytest.param(np.ones((9, 2)), RATE, "recording 1 has the shape (9, 2)", id="stereo"),
        pytest.param([], RATE, "recording 1 has the shape (0,)", id="empty"),
    ],
)
def test_recordings_that_do_not_fit_are_named(samples: object, rate: int, said_of_it: str) -> None:
    """Protects against training on nonsense: none of these would end in an error."""
    good = (np.ones(9), RATE)
    check_recordings([good], RATE)
    with pytest.raises(ValueError, match=re.escape(said_of_it)):
        check_recordings([good, (samples, rate)], RATE)
