"""Sentences with named entities: the notation, the splits, the made sentences, and the committed files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from sample_data import entities, entity_texts


def test_notation() -> None:
    """Protects every label: kinds, beginnings and insides are where the braces are."""
    sentence = entities.annotated("{PER Ada Lovelace}'s letter, from {LOC London}.")
    assert sentence.text == "Ada Lovelace's letter, from London."
    assert sentence.words == ("Ada", "Lovelace", "'s", "letter", ",", "from", "London", ".")
    assert sentence.labels == ("B-PER", "I-PER", "O", "O", "O", "O", "B-LOC", "O")


@pytest.mark.parametrize(
    ("marked", "words"),
    [
        ("{PER Ada left", "no partner"),
        ("Ada} left", "no partner"),
        ("{PET Rex} barked", "PET is no kind"),
        ("un{LOC Paris}ian", "within a word"),
        ("{LOC Paris}ian", "within a word"),
    ],
)
def test_notation_that_is_wrong(marked: str, words: str) -> None:
    """Protects whoever writes a sentence: the message says what is wrong, and where."""
    with pytest.raises(entities.EntityError, match=words) as error:
        entities.annotated(marked)
    assert marked in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Anna's cat", ["Anna", "'s", "cat"]),
        ("O’Brien, Jean-Luc", ["O’Brien", ",", "Jean-Luc"]),
        ("Dr. No (1962)", ["Dr", ".", "No", "(", "1962", ")"]),
        ("on 3.5.2019, 2019-05-03 or 3/5/2019", ["on", "3.5.2019", ",", "2019-05-03", "or", "3/5/2019"]),
        ("the 1990s, the 3rd", ["the", "1990s", ",", "the", "3rd"]),
        ("3,000 volunteers at 17:45", ["3,000", "volunteers", "at", "17:45"]),
        ("", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    """Protects the page, which cuts words out of a text by their places."""
    assert [text[start:end] for start, end in entities.split_words(text)] == words


def test_templates_are_many_and_held_out_whole() -> None:
    """Protects the score on made sentences: no form of a held-out sentence was trained on."""
    train, test = entities.templates("train"), entities.templates("test")
    assert len(set(entity_texts.TEMPLATES)) == len(entity_texts.TEMPLATES) >= 150
    assert not set(train) & set(test)
    assert sorted(train + test) == sorted(entity_texts.TEMPLATES)
    assert len(test) >= 30


def test_names_are_held_out_whole() -> None:
    """Protects the score on made sentences: no list has a name in both splits, and persons share no part."""
    train, test = entities.names("train"), entities.names("test")
    for field in train.__dataclass_fields__:
        one, other = getattr(train, field), getattr(test, field)
        if isinstance(one, dict):
            one, other = ({name for names in side.values() for name in names} for side in (one, other))
        assert one and other
        assert not {name.lower() for name in one} & {name.lower() for name in other}
    first, last = (
        {name.lower() for names in side.values() for name in names}
        for side in (train.first | {"word": train.word_first}, test.last | {"word": test.word_last})
    )
    assert not first & last


@pytest.mark.parametrize("split", ["train", "test"])
def test_made_sentences_are_well_formed(split: entities.Split) -> None:
    """Protects training and score: a label for each word, all kinds, and nothing left of the notation."""
    sentences = entities.make(split, 600)
    seen = set()
    for sentence in sentences:
        assert not re.search(r"[][{}|]|  ", sentence.text), sentence.text
        assert len(sentence.words) == len(sentence.labels) > 1
        assert [sentence.text[a:b] for a, b in entities.split_words(sentence.text)] == list(sentence.words)
        assert not sentence.text[0].islower(), sentence.text
        seen.update(sentence.labels)
        before = "O"
        for word, label in zip(sentence.words, sentence.labels, strict=True):
            if label.startswith("I-"):
                assert before[2:] == label[2:]
            assert not (label.startswith("B-") and word.lower() == "the"), sentence.text
            before = label
    assert seen == set(entities.LABELS)
    assert len({s.text for s in sentences}) > 400


def test_sentences_are_the_same_for_the_same_seed() -> None:
    """Protects the card: training and score can be repeated."""
    assert entities.make("train", 20, 3) == entities.make("train", 20, 3)
    assert entities.make("train", 20, 3) != entities.make("train", 20, 4)


def test_every_held_out_template_is_asked() -> None:
    """Protects the score: no template is left out or asked twice as often."""
    made = entities.make("test", 2 * len(entities.templates("test")))
    half = len(made) // 2
    assert [s.labels[0] == "O" for s in made[:3]] == [s.labels[0] == "O" for s in made[half : half + 3]]


def test_committed_files_are_what_the_code_makes(tmp_path: Path) -> None:
    """Protects the page and the card, which read the files: they are this code's output, byte for byte."""
    for fresh in entities.write_held_out(tmp_path):
        assert fresh.read_bytes() == (entities.FOLDER / fresh.name).read_bytes(), fresh.name
    assert len(entities.held_out(entities.MADE)) == entities.COUNT >= 500


def test_sentences_by_hand() -> None:
    """Protects the second score: many sentences, of all kinds, some without a name, none out of a template."""
    sentences = entities.held_out(entities.BY_HAND)
    assert len({s.text for s in sentences}) == len(sentences) >= 100
    labels = [label for s in sentences for label in s.labels]
    for kind in entities.KINDS:
        assert labels.count(f"B-{kind}") >= 20
    assert sum(set(s.labels) == {"O"} for s in sentences) >= 20
    openings = {re.split(r"[\[{|]", template)[0] for template in entity_texts.TEMPLATES}
    long = tuple(opening for opening in openings if opening.count(" ") >= 4)
    assert not [s.text for s in sentences if s.text.startswith(long)]


def test_novels_are_emptied_of_their_names() -> None:
    """Protects the prose for training: a name becomes a place for one, and an unknown capital drops the sentence."""
    known = {"Emma": "FIRST", "Woodhouse": "LAST", "Bath": "CITY", "June": "MONTH"}
    empty = entities._emptied
    assert empty("Emma went to Bath in June.", known, {"I"}) == "{FIRST} went to {CITY} in {MONTH}."
    assert empty("It was Emma Woodhouse's.", known, {"I"}) == "It was {PER}'s."
    assert empty('"Then I shall," said Lady Weston.', known, {"I", "Lady"}) is None
    assert empty("He read the Bible.", known, {"I"}) is None
    assert empty("She {never} came.", known, {"I"}) is None


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "is missing"), ("{", "not a list"), ('[{"text": "a"}]', "not a list"), ("3", "not a list")],
)
def test_file_that_cannot_be_read(tmp_path: Path, content: str | None, words: str) -> None:
    """Protects from half a file: one message with its name."""
    if content is not None:
        (tmp_path / "x.json").write_text(content)
    with pytest.raises(entities.EntityError, match=words) as error:
        entities.held_out("x.json", tmp_path)
    assert str(error.value).startswith(f"{tmp_path / 'x.json'}: ")


def test_files_are_json_that_a_page_can_read() -> None:
    """Protects the snippets, which read the files without this package."""
    for name in (entities.MADE, entities.BY_HAND):
        for record in json.loads((entities.FOLDER / name).read_text(encoding="utf-8")):
            assert set(record) == {"text", "words", "labels"}
            assert len(record["words"]) == len(record["labels"])
