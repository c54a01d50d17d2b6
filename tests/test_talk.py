"""The talk: its source, what is made of it, and how it behaves in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import AXE, PHONE, opened, serving
from conftest import Toy
from playwright.sync_api import Browser
from playwright.sync_api import Page as Tab

from livedocs import talk
from livedocs.errors import DocsError

ROOT = Path(__file__).parents[1]
SLIDE = {"width": 1280, "height": 720}

PARTS = (
    "The idea",
    "Language models",
    "Text classification",
    "Token classification",
    "Question answering",
    "Generation",
    "Summarization",
    "Translation",
    "Beyond text",
    "Speech",
    "Audio classification",
    "Speech recognition",
    "Vision",
    "Image classification",
    "Object detection",
    "Image segmentation",
    "Depth estimation",
)
"""What the talk must cover, after its title."""

SOURCE = """\
---
title: Toy
description: A toy.
---

## Toy {#title}
page: index.md#section
look: title

@output toy/add

notes:
Hello. The total is {toy/add: total (\\d+)}.

# Part

## A line {#line}
page: index.md
columns: 2 3

- It adds up to *{toy/add: total (\\d+)}*

@number toy/add total (\\d+)
    label: in all

@code toy/add

|||

@figure toy/plot

notes:
Look at the line.
"""


@pytest.fixture
def talking(toy: Toy) -> Toy:
    """A recorded toy project with a talk of two slides."""
    toy.replace("docs/index.md", "# Toy\n", "# Toy\n\n## A section {#section}\n")
    toy.record()
    toy.write("talk/slides.md", SOURCE)
    return toy


def test_a_slide_shows_what_was_recorded(talking: Toy) -> None:
    """Protects the one source: figure, description, output, code and numbers come from the page and its records."""
    html = talk.render(talking.root) or ""
    assert 'aria-label="A rising line."' in html
    assert "total 3" in html
    assert "The total is 3." in html
    assert "<strong>3</strong> in all" in html
    assert '<a href="../index.html#section"><b>Toy</b> A section</a>' in html
    code = re.sub(r"<[^>]+>", "", html)
    assert 'print("total", total)' in code.replace("&quot;", '"')
    assert "assert" not in code, "assertions are left to the page"


def test_a_changed_page_changes_its_slide(talking: Toy) -> None:
    """Protects against stale slides: the check finds a talk that is behind its page, and recording brings it along."""
    talk.write(talking.root)
    assert ", 2 slides: all fit together" in talking.check()
    talking.replace("snippets/toy.py", "range(SIZE))", "range(SIZE)) + 10 - 10")
    talking.replace("snippets/toy.py", 'print("total", total)', 'print("total", total + 4)')
    assert "stale" in talking.mistake()
    talking.record()
    assert "The total is 7." in talking.read("docs/talk/index.html")
    assert talking.check()
    talking.replace("talk/slides.md", "Hello.", "Good morning.")
    assert talking.mistake() == "docs/talk/index.html: missing or stale; run `make talk`"


def test_what_was_recorded_stays_when_the_talk_has_a_mistake(talking: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects an author's record: a mistake in the talk is told, and costs nothing else."""
    talking.replace("talk/slides.md", "@figure toy/plot", "@figure toy/plott")
    talking.record()
    assert "docs/talk/index.html was left as it was: talk/slides.md:30: snippets/toy.py has no cell 'plott'" in (
        capsys.readouterr().out
    )
    assert not (talking.root / "docs/talk").exists()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("@figure toy/plot", "@figure tyo/plot", "30: there is no snippets/tyo.py; known snippets: toy"),
        ("@figure toy/plot", "@figure toy/plto", "30: snippets/toy.py has no cell 'plto'; its cells: setup, add, plot"),
        ("@figure toy/plot", "@figure toy/plot 2", "30: cell 'toy/plot' has 1 figure(s) and none '2'"),
        ("@figure toy/plot", "@figure toy/add", "30: cell 'toy/add' has 0 figure(s) and none '1'"),
        (
            "@figure toy/plot",
            "@figure toy/plot\n@figure toy/plot",
            "31: this figure stands on a slide already, at line 30",
        ),
        ("@figure toy/plot", "@output toy/plot", "30: cell 'toy/plot' printed nothing"),
        ("@figure toy/plot", "@sound toy/plot", "30: cell 'toy/plot' has 0 sound(s) and none '1'"),
        ("@figure toy/plot", "@diagram toy", "30: there is no recorded diagram 'toy' (compact)"),
        ("@figure toy/plot", "@picture toy/plot", "30: unknown or malformed embed '@picture toy/plot'; known: @figure"),
        ("@figure toy/plot", "@figure plot", "30: malformed '@figure plot'; write `@figure snippet/cell`"),
        ("@number toy/add total (\\d+)", "@number toy/add", "23: '@number' needs a pattern"),
        (
            "@number toy/add total (\\d+)",
            "@number toy/add sum (\\d+)",
            "23: 'sum (\\d+)' must have one group and match",
        ),
        ("@number toy/add total (\\d+)", "@number toy/add total (", "23: 'total (' is no pattern"),
        ("    label: in all", "    lable: in all", "24: 'lable: in all' is no option of '@number'; known: label"),
        ("@code toy/add", "@code toy/add\n    from: nowhere", "26: no line of 'toy/add' holds 'nowhere'"),
        ("Hello. The total is {toy/add: total", "Hello.\nIt is {toy/add: sum", "14: 'sum (\\d+)' must have one group"),
        (
            "page: index.md#section",
            "page: index.md#nothing",
            "6: docs/index.md has no section 'nothing'; its sections: section",
        ),
        ("page: index.md#section", "page: nothing.md", "6: there is no page docs/nothing.md"),
        ("page: index.md#section\n", "", "6: this slide links no page"),
        ("columns: 2 3", "columns: 2 3 4", "17: `columns:` gives 3 widths for 2 columns"),
        ("columns: 2 3", "columns: wide", "17: the widths of columns are numbers"),
        ("columns: 2 3", "colour: red", "19: unknown or empty option 'colour' of a slide; known: page, columns, look"),
        ("look: title", "look: strange", "6: unknown look 'strange'; known: title, part"),
        ("notes:\nLook at the line.\n", "", "17: this slide has no notes"),
        ("{#line}", "{#title}", "17: slide 'title' exists already, on line 6"),
        (" {#line}", "", "17: a slide begins with `## Title {#id}`"),
        ("description: A toy.\n", "", "1: the talk needs `title: …` and `description: …`"),
        ("# Part\n", "Lost words\n\n# Part\n", None),
        ("@output toy/add\n", "Words\n", "6: this slide shows nothing of its page"),
    ],
)
def test_every_mistake_names_its_line(talking: Toy, old: str, new: str, said: str | None) -> None:
    """Protects those who write slides: one clear message, with the line in the source and what to do."""
    talking.replace("talk/slides.md", old, new)
    if said is None:  # words at the end of notes are notes
        assert talk.render(talking.root)
        return
    with pytest.raises(DocsError) as caught:
        talk.render(talking.root)
    assert str(caught.value).startswith(f"talk/slides.md:{said}")
    assert "\n" not in str(caught.value) or "must have one group" in said


def test_a_slide_shows_only_what_its_page_shows(talking: Toy) -> None:
    """Protects those who follow the link of a slide: they find there what they saw."""
    talking.write("docs/other.md", "---\ncells: none\n---\n# Other\n")
    talking.replace("talk/slides.md", "page: index.md\n", "page: other.md\n")
    with pytest.raises(DocsError) as caught:
        talk.render(talking.root)
    assert (
        str(caught.value) == "talk/slides.md:23: 'toy/add' stands on docs/index.md, and the slide links docs/other.md"
    )


def test_a_project_without_a_talk_is_in_order(toy: Toy) -> None:
    """Protects small projects: the talk may be missing, and only the command that writes it says so."""
    toy.record()
    assert talk.check(toy.root) == 0
    with pytest.raises(DocsError, match=r"there is no talk/slides\.md"):
        talk.write(toy.root)


def test_the_talk_covers_the_whole_story() -> None:
    """Protects the lecture: all parts in their order, each slide with notes for about a minute."""
    slides = talk.Talk(ROOT / talk.SOURCE, ROOT).slides
    assert tuple(dict.fromkeys(slide.section for slide in slides if slide.section in PARTS)) == PARTS
    for slide in slides:
        assert 80 <= len(slide.notes.split()) <= 200, slide.id


def test_the_talk_is_current() -> None:
    """Protects the site as committed: the slides show what the pages show now."""
    assert talk.check(ROOT)


# -- in a browser ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The talk, served from a sub-path as a static host might. It needs no builder: its files are copied as they are."""
    folder = tmp_path_factory.mktemp("docs")
    for part in ("talk", "assets/reveal", "assets/stylesheets", "assets/javascripts", "assets/fonts", "outputs"):
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        (folder / part).symlink_to(ROOT / "docs" / part)
    (folder / "assets/favicon.svg").symlink_to(ROOT / "docs/assets/favicon.svg")
    with serving(folder, tmp_path_factory.mktemp("served-talk")) as url:
        yield f"{url}talk/index.html"


def ready(tab: Tab) -> None:
    tab.wait_for_function("window.Reveal && Reveal.isReady()")


FITS = """() => Reveal.getSlides().flatMap(slide => {
    Reveal.slide(...Object.values(Reveal.getIndices(slide)).slice(0, 2));
    const page = slide.getBoundingClientRect();
    const parts = [...slide.querySelectorAll('.slide *')].filter(e => !e.closest('svg') || e.tagName === 'svg');
    const bad = [];
    for (const part of parts) {
        const box = part.getBoundingClientRect();
        if (box.left < page.left - 1 || box.right > page.right + 1 || box.top < page.top - 1 || box.bottom > page.bottom + 1)
            bad.push(`${slide.id}: ${part.tagName} lies outside`);
        if (part.matches('pre, .column, .body') &&
            (part.scrollWidth > part.clientWidth + 2 || part.scrollHeight > part.clientHeight + 2))
            bad.push(`${slide.id}: ${part.tagName}.${part.className} is too full`);
        if (part.matches('pre') && parseFloat(getComputedStyle(part).fontSize) < 15)
            bad.push(`${slide.id}: ${part.className} is too small to read`);
        if (part.matches('figure svg, figure img') && (box.width < 200 || box.height < 120))
            bad.push(`${slide.id}: a figure is too small to see`);
    }
    return bad;
})"""


def test_slides_fit_and_keys_move(browser: Browser, deck: str) -> None:
    """Protects the speaker: nothing is cut off at 1280 × 720, nothing comes from elsewhere, and the keys do what they should."""
    with opened(browser, deck, size=SLIDE) as tab:
        ready(tab)
        tab.evaluate("document.fonts.ready")
        where = "Reveal.getCurrentSlide().id"
        first, second = tab.evaluate("Reveal.getSlides().slice(0, 2).map(slide => slide.id)")
        assert tab.evaluate(where) == first
        tab.keyboard.press("ArrowRight")
        assert tab.evaluate(where) == second
        tab.keyboard.press("ArrowLeft")
        assert tab.evaluate(where) == first
        tab.keyboard.press("o")
        assert tab.evaluate("Reveal.isOverview()")
        tab.keyboard.press("o")
        tab.keyboard.press("t")
        assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 29)"
        tab.keyboard.press("t")
        for _ in tab.evaluate("Reveal.getSlides().slice(1)"):
            tab.keyboard.press("ArrowRight")
        assert tab.evaluate("Reveal.isLastSlide()")
        assert not tab.evaluate(FITS)
        assert tab.evaluate("Reveal.VERSION") in (ROOT / "docs/assets/reveal/README.txt").read_text("utf-8")


def test_the_notes_have_a_window_of_their_own(browser: Browser, deck: str) -> None:
    """Protects the speaker: the window shows the notes of the slide, and follows."""
    with opened(browser, deck, size=SLIDE) as tab:
        ready(tab)
        with tab.expect_popup() as popup:
            tab.keyboard.press("s")
        notes = popup.value
        said = notes.locator(".speaker-controls-notes .value")
        said.get_by_text("Welcome.").wait_for()
        tab.bring_to_front()
        tab.keyboard.press("ArrowRight")
        expected = tab.evaluate("Reveal.getCurrentSlide().querySelector('.notes p').innerText")
        said.get_by_text(expected).wait_for()
        notes.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_slides(browser: Browser, deck: str, scheme: str) -> None:
    """Protects readers who use a screen reader or need contrast, in both layouts. Figures are judged on their pages."""
    for layout in ("?read", "?slides") if scheme == "light" else ("?read",):
        with opened(browser, deck + layout, scheme=scheme, size=SLIDE) as tab:
            tab.evaluate("document.querySelectorAll('figure svg').forEach(svg => svg.replaceChildren())")
            tab.evaluate(AXE)
            result = tab.evaluate("axe.run(document, {resultTypes: ['violations']})")
            found = [f"{one['id']}: {node['html'][:160]}" for one in result["violations"] for node in one["nodes"]]
            assert not found, layout + "\n".join(found[:10])


def test_on_a_phone_and_without_scripts_the_talk_is_a_page(browser: Browser, deck: str) -> None:
    """Protects those without a lectern: all slides and notes below each other, no wider than the screen."""
    shown = "[...document.querySelectorAll('section > .slide, .notes')].filter(e => e.getClientRects().length).length"
    with opened(browser, deck, size=PHONE) as tab:
        assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        slides = tab.evaluate("document.querySelectorAll('.slide').length")
        assert tab.evaluate(shown) == 2 * slides
        tab.get_by_text("Show as slides").click()
        ready(tab)
        assert tab.evaluate("Reveal.getTotalSlides()") == slides
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(deck)
    assert page.locator(".slide h2").last.is_visible()
    assert page.locator(".notes").last.is_visible()
    context.close()


def test_printed_a_slide_is_a_page(browser: Browser, deck: str) -> None:
    """Protects those who hand out a PDF: one page for each slide, as wide as a slide."""
    with opened(browser, f"{deck}?print-pdf", size=SLIDE) as tab:
        ready(tab)
        slides = tab.evaluate("Reveal.getTotalSlides()")
        tab.wait_for_function(f"document.querySelectorAll('.pdf-page').length === {slides}")
        paper = tab.pdf(prefer_css_page_size=True, print_background=True)
    assert len(re.findall(rb"/Type\s*/Page\b", paper)) == slides
    assert re.search(rb"/MediaBox \[0 0 960 540\]", paper)
