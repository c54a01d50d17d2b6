"""Questions with marked answers: made from templates, cut into prose, and written by hand."""

from __future__ import annotations

import json
import random
import re
from itertools import pairwise
from pathlib import Path

import pytest

from sample_data import questions

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / questions.FOLDER
SPLITS: tuple[questions.Split, ...] = ("train", "validation", "test")


def test_templates() -> None:
    """Protects variety: 60 templates and more to train on, each with two questions, and whole ones held out."""
    known = questions.templates()
    splits = {split: [each for each in known if each.split == split] for split in SPLITS}
    assert len(splits["train"]) >= 60
    assert len(splits["test"]) >= 15
    assert splits["validation"]
    assert all(len(each.questions) >= 2 and len(each.statements) >= 2 for each in known)


@pytest.mark.parametrize("split", SPLITS)
def test_every_answer_stands_where_it_is_said_to(split: questions.Split) -> None:
    """Protects the labels: the marked characters are the answer, and not a part of a longer word."""
    for index in range(150):
        passage = questions.passage(split, index)
        assert passage.questions
        for question in passage.questions:
            stop = question.start + len(question.answers[0])
            assert passage.context[question.start : stop] == question.answers[0]
            assert not passage.context[max(0, question.start - 1)].isalnum() or question.start == 0
            assert not passage.context[stop : stop + 1].isalnum()
            assert "{" not in question.text + passage.context


def test_templates_are_filled_in_all_wordings() -> None:
    """Protects each line of the templates: every question is asked of some passage."""
    asked: set[tuple[str, str]] = set()
    counts: dict[questions.Split, int] = {"train": 1200, "validation": 60, "test": 300}
    for split, count in counts.items():
        for index in range(count):
            asked |= {(q.template, re.split(r"\W", q.text)[0]) for q in questions.passage(split, index).questions}
    wanted = {(t.name, re.split(r"\W", q)[0]) for t in questions.templates() for q, _ in t.questions}
    assert {name for name, _ in wanted} == {name for name, _ in asked}
    assert not wanted - asked


def test_a_passage_is_always_the_same() -> None:
    """Protects repeatability, and that numbers and splits differ."""
    assert questions.passage("train", 7) == questions.passage("train", 7)
    contexts = {questions.passage(split, index).context for split in SPLITS for index in range(50)}
    assert len(contexts) == 150
    assert len(questions.passage("train", 3, ask=1).questions) == 1
    assert questions.passage("train", 3, ask=1).context == questions.passage("train", 3).context


def test_templates_and_names_are_held_out() -> None:
    """Protects the test: none of its templates is asked in training, and none of its names occurs there."""
    names = {q.template for i in range(400) for q in questions.passage("train", i).questions}
    held_out = {q.template for i in range(100) for q in questions.passage("test", i).questions}
    assert not names & held_out
    for kind in ("female", "male", "last", "town"):
        for english in (False, True):
            assert len(questions.names(kind, "train", english)) > 100
            assert not set(questions.names(kind, "train", english)) & set(questions.names(kind, "test", english))


def test_the_kind_of_an_answer_never_suffices() -> None:
    """Protects from guessing: each fact of a passage that is asked for first stands there twice."""
    doubled = 0
    for index in range(200):
        asked = [q.template for q in questions.passage("test", index, ask=99).questions]
        doubled += max(asked.count(name) for name in asked) >= 2
    assert doubled == 200


def test_bad_numbers_end_in_a_clear_error() -> None:
    """Protects from silent nonsense."""
    with pytest.raises(ValueError, match="index -1 must not be negative"):
        questions.passage("train", -1)
    with pytest.raises(ValueError, match="ask 0 must be at least 1"):
        questions.passage("train", 0, ask=0)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["x soon", "- {town} is old.", "? Is {town}? = town"], "is marked 'soon'"),
        (["x", "- {town} is old.", "? What is old? = town"], "must name a slot"),
        (["x", "- {town} is old.", "? How old is {town}? = year"], "no statement answers"),
        (["x", "{town} is old."], "must start with - or ?"),
        (["x", "- {town} is old."], "needs a statement and a question"),
    ],
)
def test_bad_template_is_named(lines: list[str], message: str) -> None:
    """Protects whoever adds a template: the message names it and says what is wrong."""
    with pytest.raises(questions.QuestionError, match=re.escape(message)) as caught:
        questions._template(lines)
    assert "template 'x'" in str(caught.value)


def test_unknown_slot_is_named() -> None:
    """Protects whoever adds a template with a new kind of slot."""
    with pytest.raises(questions.QuestionError, match="nothing fills the slot 'spoon'"):
        questions._Values(random.Random(0), held_out=False)("spoon2")


def test_gaps() -> None:
    """Protects the questions from prose: one answer, once in the passage, and not in the question."""
    documents = [
        (
            "debian",
            ["A library for reading the files of old cameras.", "It was first released in 1998 by a small team."],
        ),
        (
            "austen",
            ["She had been shown the letter by Captain Benwick, in the garden, on the evening of that long day."],
        ),
    ]
    found = questions.gaps(documents, 40, seed=1)
    assert found == questions.gaps(documents, 40, seed=1) != questions.gaps(documents, 40, seed=2)
    for passage in found:
        (question,) = passage.questions
        (answer,) = question.answers
        assert passage.context.count(answer) == 1
        assert passage.context[question.start :].startswith(answer)
        assert answer not in question.text
        assert re.search(r"\b(who|what|which|when|how many)\b", question.text)
    assert len({passage.questions[0].answers for passage in found}) > 3


def test_held_out_files() -> None:
    """Protects what the pages read: enough questions, whole, and the made ones as the generator makes them."""
    made, hand = questions.held_out("made", FOLDER), questions.held_out("hand", FOLDER)
    assert sum(len(passage.questions) for passage in made) >= 500
    assert sum(len(passage.questions) for passage in hand) >= 100
    assert len(hand) >= 30
    assert made[:5] == [questions.passage("test", index) for index in range(5)]
    assert all(question.template == "hand" for passage in hand for question in passage.questions)


def test_made_questions_are_written_again(tmp_path: Path) -> None:
    """Protects the committed file: the generator writes the same one, byte by byte."""
    path = questions.write_made(tmp_path)
    assert path.read_bytes() == (FOLDER / "questions-made.json").read_bytes()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"question": "Who?", "answers": ["Paul"]}, "'Paul' does not stand in"),
        ({"question": "Who?", "answers": ["Anna"], "start": 3}, "'Anna' does not start at 3"),
    ],
)
def test_damaged_file_is_named(tmp_path: Path, entry: dict[str, object], message: str) -> None:
    """Protects whoever edits the questions by hand."""
    path = tmp_path / "questions-hand.json"
    path.write_text(json.dumps([{"context": "Anna sings.", "questions": [entry]}]))
    with pytest.raises(questions.QuestionError, match=message) as caught:
        questions.held_out("hand", tmp_path)
    assert str(path) in str(caught.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    """Protects from a bare traceback."""
    with pytest.raises(questions.QuestionError, match=r"questions-made\.json: the held-out questions are missing"):
        questions.held_out("made", tmp_path)


def test_a_pool_is_sorted_and_without_doubles() -> None:
    """Protects repeatability: the order does not depend on how Python hashes."""
    for kind in ("female", "male", "last", "town"):
        pool = questions.names(kind, "train")
        assert all(one < two for one, two in pairwise(pool))
