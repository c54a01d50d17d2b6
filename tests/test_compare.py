"""Comparing runs: what a processor may change is accepted, what a reader would notice is not."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from livedocs.capture import describe_array
from livedocs.compare import content_difference, text_difference


@pytest.mark.parametrize(
    ("recorded", "now"),
    [
        ("same", "same"),
        ("", ""),
        ("loss 0.1234", "loss 0.1235"),
        ("loss 0.12", "loss 0.13"),
        ("loss 1234.5", "loss 1235.6"),
        ("p = 97.5%", "p = 97.4%"),
        ("1.5e-05", "1.6e-05"),
        ("[ 0.0000, 1.25]", "[-0.0000, 1.25]"),
        ("a  0.50\nb  0.25", "a  0.51\nb  0.25"),
        ("9.9995", "10.0001"),
    ],
)
def test_small_differences_of_numbers_are_accepted(recorded: str, now: str) -> None:
    """The last printed place, or a thousandth, may differ between two processors."""
    assert text_difference(recorded, now) is None


@pytest.mark.parametrize(
    ("recorded", "now"),
    [
        ("loss 0.12", "loss 0.14"),
        ("loss 1234.5", "loss 1236.5"),
        ("196 patches", "197 patches"),
        ("12345678901234567890", "12345678901234567891"),
        ("3 layers", "3.0 layers"),
        ("3.0", "3"),
        ("3", "3.9"),
        ("1.5e-05", "1.5e-04"),
        ("version 5.23.0", "version 5.24.0"),
        ("layer1", "layer2"),
        ("3x4", "3x5"),
        ("cat", "dog"),
        ("a b", "a  b"),
        ("0.5 cat", "0.5 dog"),
        ("nan", "0.5"),
        ("-0.5", "0.5"),
        ("a", "a\nb"),
        ("a\nb", "a"),
        ("", "a"),
        ("a", ""),
        ("0.1 0.2", "0.1"),
    ],
)
def test_what_a_reader_would_notice_is_a_difference(recorded: str, now: str) -> None:
    """Whole numbers, words, signs, versions and the number of lines are exact."""
    assert text_difference(recorded, now)


def test_a_difference_is_readable() -> None:
    """The message shows the changed lines in their surroundings, and not those that differ within tolerance."""
    difference = text_difference("one 0.123\ntwo\nthree\nfour\n", "one 0.124\ntwo\nTHREE\nfour\n")
    assert difference == "--- recorded\n+++ now\n@@ -2,3 +2,3 @@\n two\n-three\n+THREE\n four"


FIGURE: dict[str, Any] = {
    "title": "Loss",
    "axes": [{"words": ["epoch"], "lines": [describe_array(np.linspace(0, 10, 200))], "images": []}],
}


def test_data_within_half_a_percent_of_its_range_is_the_same() -> None:
    """A line that nobody could tell apart from the recorded one is no difference."""
    now = copy.deepcopy(FIGURE)
    now["axes"][0]["lines"] = [describe_array(np.linspace(0, 10, 200) + 0.04)]
    assert content_difference(FIGURE, now) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.update(title="Gain"), "title: recorded 'Loss', now 'Gain'"),
        (lambda f: f["axes"][0]["words"].append("more"), "axes[0].words: 1 were recorded, now there are 2"),
        (lambda f: f["axes"].clear(), "axes: 1 were recorded, now there are 0"),
        (
            lambda f: f["axes"][0].update(lines=[describe_array(np.linspace(0, 11, 200))]),
            "axes[0].lines[0]: its max was 10.0, now it is 11.0",
        ),
        (
            lambda f: f["axes"][0].update(lines=[describe_array(np.linspace(10, 0, 200))]),
            "axes[0].lines[0]: sample 0 was 0.0, now it is 10.0",
        ),
        (
            lambda f: f["axes"][0].update(lines=[describe_array(np.zeros(3))]),
            "axes[0].lines[0]: recorded shape [200], now [3]",
        ),
        (
            lambda f: f["axes"][0].update(lines=[describe_array(np.full(200, np.nan))]),
            "axes[0].lines[0]: its min was 0.0, now it is None",
        ),
    ],
)
def test_another_figure_is_told_by_what_it_shows(change: Any, said: str) -> None:
    """A changed title, axis or line is a difference, in words that say which."""
    now = copy.deepcopy(FIGURE)
    change(now)
    assert content_difference(FIGURE, now) == said


def test_empty_and_undefined_arrays_are_compared_too() -> None:
    """An empty plot and one of missing values are described, and are not the same."""
    empty, missing = describe_array([]), describe_array([np.nan, np.nan])
    assert content_difference(empty, empty) is None
    assert content_difference(missing, missing) is None
    assert content_difference(describe_array([1.0, 2.0]), missing)
    assert content_difference(missing, describe_array([1.0, 2.0]))
