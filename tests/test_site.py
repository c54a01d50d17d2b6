"""The built site, in a real browser: what a reader meets."""

from __future__ import annotations

import html.parser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, unquote, urldefrag, urljoin

import pytest
from browsing import AXE, DESK, PAGES, PHONE, ROOT, opened
from playwright.sync_api import Browser

from livedocs.guides import Guides
from livedocs.navigation import read_site
from livedocs.project import load_project
from livedocs.pytest_plugin import page_parts


def test_search_finds_patch_embedding(browser: Browser, address: str) -> None:
    """Protects the way in by search: the words of a section's title lead to the ViT page."""
    with opened(browser, address + "index.html") as tab:
        query = tab.locator("input[name=query]")
        query.click()
        query.press_sequentially("patch embedding", delay=20)
        result = tab.locator(".md-search-result__link").first
        result.wait_for()
        links = [link.get_attribute("href") or "" for link in tab.locator(".md-search-result__link").all()]
    assert any("image-classification-vit" in link for link in links), links


WORDS = {
    "ASR": "speech-recognition",
    "speech to text": "speech-recognition",
    "NER": "token-classification",
    "MLM": "bert",
    "LLM": "language-models",
    "sentiment": "text-classification",
    "QA": "question-answering",
    "CNN": "image-classification-convnext",
    "bounding boxes": "object-detection-detr",
    "OCR": "which-model",
    "linear_sum_assignment": "object-detection-detr",
}
"""What readers may type, and the page that is meant."""


def test_search_knows_other_words(browser: Browser, address: str) -> None:
    """Protects readers with another vocabulary: abbreviations, synonyms and names in code lead to the page that is meant."""
    missed = {}
    with opened(browser, address + "index.html") as tab:
        for query, page in WORDS.items():
            tab.goto(f"{address}index.html?q={quote(query)}")
            tab.locator(".md-search-result__link").first.wait_for(state="attached")
            tab.wait_for_timeout(100)
            links = [link.get_attribute("href") or "" for link in tab.locator(".md-search-result__link").all()[:20]]
            first = list(dict.fromkeys(re.split("[?#]", link.split("/")[-1])[0] for link in links))[:3]
            if f"{page}.html" not in first:
                missed[query] = first
    assert not missed


def test_copying_a_cell_yields_exactly_its_code(browser: Browser, address: str) -> None:
    """Protects those who copy: the clipboard holds the snippet's code, no prompt, no mark, nothing lost, in both tabs."""
    project = load_project(ROOT)
    snippet = project.snippets["vit"]
    with opened(browser, address + "image-classification-vit.html") as tab:
        for profile, label in (("compact", "Compact"), ("full-size", "Full size")):
            variant = snippet.in_profile(profile)
            tab.locator(".ld-profiles label", has_text=label).first.click()
            for name in ("setup", "patches", variant.cells[-1].name):
                cell = tab.locator(f'[data-cell="vit/{name}"]')
                code = cell.locator("pre:has(> code)").locator("visible=true").first
                code.scroll_into_view_if_needed()
                code.hover()
                button = (
                    code.locator("xpath=..").locator("button[data-clipboard-target], button[data-md-type=copy]").first
                )
                button.click()
                tab.wait_for_timeout(100)
                copied = tab.evaluate("navigator.clipboard.readText()")
                assert copied.rstrip("\n") == variant.cell(name).source, f"{name} ({profile})"


def test_tabs_keep_the_choice_across_pages(browser: Browser, address: str) -> None:
    """Protects readers of one profile: a choice on one page holds on all others, and after a reload."""
    visible = ".ld-profiles > .tabbed-content > .tabbed-block:nth-child(2)"
    with opened(browser, address + "image-classification-vit.html") as tab:
        assert not tab.locator(visible).first.is_visible()
        tab.locator(".ld-profiles label", has_text="Full size").first.click()
        assert tab.locator(visible).first.is_visible()
        assert all(block.is_visible() for block in tab.locator(visible).all())
        tab.goto(address + "how-these-docs-stay-true.html")
        tab.wait_for_load_state("networkidle")
        assert tab.locator(visible).first.is_visible()


def test_the_other_profile_is_text_until_it_is_asked_for(browser: Browser, address: str) -> None:
    """Protects both kinds of readers: with scripts half of the elements are left out at first, without them nothing is missing."""
    second = ".ld-profiles > .tabbed-content > .tabbed-block:nth-child(2)"
    page = address + "image-classification-vit.html"
    with opened(browser, page) as tab:
        assert tab.locator(f"{second} *:not(noscript)").count() == 0
        tab.locator(".ld-profiles label", has_text="Full size").last.click()
        sets = tab.locator(".ld-profiles").count()
        assert tab.locator(second).count() == sets
        assert tab.locator(f"{second} :is(pre, svg)").count() >= sets
        assert tab.locator(f"{second} .md-code__nav").count() == tab.locator(f"{second} .highlight").count() > 20
        folded = tab.locator("noscript").filter(has=tab.locator("pre")).count()
        assert not folded
        # The place that was clicked stays on the screen, though what lies above has changed.
        box = tab.locator(".ld-profiles label", has_text="Full size").last.bounding_box()
        assert box
        assert 0 <= box["y"] <= DESK["height"]
        # An address of a proof in the profile that the reader does not see leads to the same line in the other.
        tab.locator(".ld-profiles label", has_text="Compact").first.click()
        tab.goto(page + "#claim-vit-patches-full-size")
        tab.wait_for_function("location.hash === '#claim-vit-patches'")
    context = browser.new_context(java_script_enabled=False, viewport=DESK)  # type: ignore[arg-type]
    tab = context.new_page()
    tab.goto(page)
    cell = tab.locator('[data-cell="vit/patches"]')
    assert not cell.locator(".tabbed-block").nth(1).is_visible()
    cell.locator("label", has_text="Full size").click()
    assert cell.locator(".tabbed-block").nth(1).locator("code").is_visible()
    context.close()


def test_a_page_completes_itself(browser: Browser, address: str) -> None:
    """Protects who searches, prints or photographs a long page: soon after loading, every cell and picture is there."""
    with opened(browser, address + "object-detection-detr.html") as tab:
        tab.locator(".ld-profiles label", has_text="Full size").first.click()
        tab.wait_for_function(
            """() => [...document.querySelectorAll('.ld-cell, .ld-cell .highlight, .ld-output, .ld-diagram__frame')]
                .every(part => getComputedStyle(part).contentVisibility === 'visible')"""
        )
        tab.wait_for_function("[...document.images].every(one => one.complete && one.naturalWidth)")
        assert tab.locator(".ld-figure foreignObject > img").count() > 10


def test_the_index_of_the_search_waits_for_a_reader_who_searches(browser: Browser, address: str) -> None:
    """Protects readers on slow lines: the largest file of the site is not fetched for those who only read."""
    asked: list[str] = []
    with opened(browser, address + "index.html") as tab:
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(address + "vision.html")
        tab.wait_for_load_state("networkidle")
        assert asked
        assert not [url for url in asked if "search_index" in url]
        tab.keyboard.press("s")  # the theme's key
        tab.keyboard.type("attention")
        tab.locator(".md-search-result__link").first.wait_for()
        assert [url for url in asked if "search_index" in url]


@pytest.mark.parametrize("label", ["Compact", "Full size"])
def test_a_claim_leads_to_the_line_that_proves_it(browser: Browser, address: str, label: str) -> None:
    """Protects the promise of the site: from a statement, one click leads to its proof, whichever tab is open."""
    with opened(browser, address + "image-classification-vit.html") as tab:
        tab.locator(".ld-profiles label", has_text=label).first.click()
        link = tab.locator("a.ld-claim[href='#claim-vit-patches']").first
        assert "transformers" in (link.get_attribute("title") or "")
        link.click()
        tab.wait_for_timeout(300)
        proof = tab.locator("[id^='claim-vit-patches']").locator("visible=true").first
        assert "# claim: vit-patches" in proof.inner_text()
        box = proof.bounding_box()
        assert box
        assert 0 <= box["y"] <= DESK["height"], "the line is on the screen"


def test_a_term_explains_itself_to_pointer_and_keyboard(browser: Browser, address: str) -> None:
    """Protects readers who meet a term: its definition appears on hover and on focus, stays reachable, and Escape closes it."""
    with opened(browser, address + "object-detection-detr.html") as tab:
        tip, term = tab.locator("#ld-tip"), tab.locator("a.ld-term").first
        definition = term.get_attribute("data-definition")
        assert definition
        assert not tip.is_visible()
        term.hover()
        tip.wait_for()
        assert tip.inner_text() == definition
        tip.hover()  # one may move the pointer onto it
        tab.wait_for_timeout(400)
        assert tip.is_visible()
        tab.mouse.move(5, 5)
        tip.wait_for(state="hidden")
        term.focus()
        tip.wait_for()
        assert term.get_attribute("aria-describedby") == "ld-tip"
        tab.evaluate(AXE)
        assert not tab.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        tab.keyboard.press("Escape")
        assert not tip.is_visible()
        assert term.get_attribute("aria-describedby") is None
        tab.keyboard.press("Enter")
        tab.wait_for_url("**/glossary.html#*")


def test_a_term_explains_itself_to_a_finger(browser: Browser, address: str) -> None:
    """Protects readers on a phone: the first tap shows the definition within the screen, the second follows the link."""
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)  # type: ignore[arg-type]
    tab = context.new_page()
    tab.goto(address + "object-detection-detr.html")
    for term in tab.locator("a.ld-term").all():
        term.tap()
        box = tab.locator("#ld-tip").bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
        assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        tab.keyboard.press("Escape")  # or the definition may lie over the next term
    for _ in range(2):
        tab.locator("a.ld-term").last.tap()
    tab.wait_for_url("**/glossary.html#*")
    context.close()


def test_a_term_is_a_link_without_scripts(browser: Browser, address: str) -> None:
    """Protects readers without scripts: a term still has its definition as a title, and leads to its entry."""
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(address + "object-detection-detr.html")
    term = tab.locator("a.ld-term").first
    assert term.get_attribute("title")
    assert re.match(r"glossary\.html#[a-z-]+$", term.get_attribute("href") or "")
    context.close()


class _Links(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if values.get("id"):
            self.ids.append(str(values["id"]))
        for key in ("href", "src", "xlink:href"):
            if values.get(key):
                self.links.append(str(values[key]))


@pytest.mark.parametrize("builder", ["site", "zensical_site"])
def test_no_link_is_dead_and_no_id_stands_twice(builder: str, request: pytest.FixtureRequest) -> None:
    """Protects every link and anchor inside the site, those to claims and downloads among them, with both builders."""
    folder: Path = request.getfixturevalue(builder)
    pages: dict[str, _Links] = {}
    for file in folder.rglob("*.html"):
        pages[file.relative_to(folder).as_posix()] = parser = _Links()
        parser.feed(file.read_text("utf-8"))
    dead = []
    for name, page in pages.items():
        if name == "404.html":  # served for any address, so its links are absolute
            continue
        doubles = {one for one in page.ids if page.ids.count(one) > 1 and not one.startswith("__")}
        assert not doubles, f"{name} has these ids twice: {sorted(doubles)[:5]}"
        for link in page.links:
            if re.match(r"[a-z]+:", link) or link.startswith("//"):
                continue
            target, anchor = urldefrag(urljoin(f"/{name}", link))
            target = unquote(target).lstrip("/").split("?")[0] or "index.html"
            file = folder / target
            if file.is_dir():
                target, file = f"{target.rstrip('/')}/index.html".lstrip("/"), file / "index.html"
            if not file.exists():
                dead.append(f"{name}: {link}")
            elif anchor and target in pages and unquote(anchor) not in pages[target].ids and anchor != "__skip":
                dead.append(f"{name}: {link} (no such anchor)")
    assert not dead, "\n".join(dead)


def test_every_page_is_reached_from_the_home_page(site: Path) -> None:
    """Protects against orphans: from the home page, the links in the texts alone lead to every page."""
    reached, waiting = {"index.html"}, ["index.html"]
    while waiting:
        name = waiting.pop()
        text = (site / name).read_text("utf-8")
        parser = _Links()
        parser.feed(text[text.index("<article") : text.index("</article>")])
        for link in parser.links:
            target = unquote(urldefrag(urljoin(f"/{name}", link))[0]).lstrip("/")
            if not re.match(r"[a-z]+:", link) and target in PAGES and target not in reached:
                reached.add(target)
                waiting.append(target)
    assert not set(PAGES) - reached


@pytest.mark.parametrize("builder", ["site", "zensical_site"])
def test_the_suite_collects_every_fence_that_a_page_shows(builder: str, request: pytest.FixtureRequest) -> None:
    """Protects against code that a reader sees and no test runs: both are counted, page by page."""
    folder: Path = request.getfixturevalue(builder)
    for path, page in load_project(ROOT).pages.items():
        text = (folder / path.relative_to(ROOT / "docs").with_suffix(".html")).read_text("utf-8")
        blocks = re.findall(r'<div class="language-(?:python|py)\b(?! doc-signature)[^"]*highlight"([^>]*)>', text)
        shown = sum("-full-size-" not in attributes for attributes in blocks)  # a cell in two tabs is one cell
        assert shown == len(page_parts(page)), f"{page.file}: {shown} shown, {len(page_parts(page))} collected"


def test_zensical_builds_pages_whose_cells_look_the_same(browser: Browser, address: str, zensical_address: str) -> None:
    """Protects the move to Material's successor: the same cells, outputs and figures, of the same text and size."""
    script = """() => [...document.querySelectorAll('.ld-cell')].map(cell => ({
        name: cell.dataset.cell,
        text: cell.innerText.replace(/\\s+/g, ' '),
        figures: cell.querySelectorAll('figure svg, figure img').length,
        font: getComputedStyle(cell.querySelector('code')).fontFamily,
        background: getComputedStyle(cell.querySelector('pre')).backgroundColor,
        width: Math.round(cell.getBoundingClientRect().width),
    }))"""
    for page in ("image-classification-vit.html", "how-these-docs-stay-true.html"):
        seen = []
        for base in (address, zensical_address):
            with opened(browser, base + page) as tab:
                seen.append(tab.evaluate(script))
        assert len(seen[0]) == len(load_project(ROOT).page_of(ROOT / "docs" / page.replace(".html", ".md")).cells)
        for ours, theirs in zip(*seen, strict=True):
            assert abs(ours.pop("width") - theirs.pop("width")) <= 40
            assert ours == theirs


@pytest.mark.parametrize("builder", ["site", "zensical_site"])
def test_every_page_exists_as_markdown_and_says_what_it_is(builder: str, request: pytest.FixtureRequest) -> None:
    """Protects programs and shared links, with both builders: a copy beside each page, a title, a description, a feed."""
    folder: Path = request.getfixturevalue(builder)
    for name in PAGES:
        if not (folder / name).exists() and builder == "zensical_site":  # a notebook, which it leaves as a file
            continue
        head = (folder / name).read_text("utf-8").split("</head>")[0]
        assert (folder / name).with_suffix(".md").exists()
        up = "../" * name.count("/")
        for kind, place in (("text/markdown", f"{Path(name).stem}.md"), ("application/atom+xml", f"{up}feed.xml")):
            assert re.search(
                rf'<link rel="alternate(?: describedby)?" type="{re.escape(kind)}" title="[^"]+" href="(\./)?{place}">',
                head,
            ), name
        for key in ("og:title", "og:description", "og:type", "twitter:card"):
            assert re.search(rf'<meta (?:property|name)="{key}" content="[^"]+">', head), f"{name} has no {key}"
        assert "og:image" not in head, "a picture needs a whole address, and none is known"
        assert head.count("<title>") == 1
    for name in ("llms.txt", "llms-full.txt", "feed.xml"):
        assert (folder / name).exists()


def test_an_address_and_an_editor_are_named_where_they_are_known(tmp_path: Path) -> None:
    """Protects what cannot be relative: with the settings of a publisher, previews and edit links have whole addresses."""
    for part in ("overrides", "docs/assets"):
        shutil.copytree(ROOT / part, tmp_path / part)
    (tmp_path / "docs" / "more").mkdir()
    for name in ("index.md", "more/one.md"):
        (tmp_path / "docs" / name).write_text("---\ntitle: One\ndescription: About one.\n---\n# One\n", "utf-8")
    settings = (ROOT / "mkdocs.yml").read_text("utf-8")
    settings = re.sub(
        r"^(nav|plugins|hooks|markdown_extensions|exclude_docs|validation):.*\n(?: .*\n|\n)*",
        "",
        settings,
        flags=re.M,
    )
    (tmp_path / "mkdocs.yml").write_text(settings + "plugins: []\nmarkdown_extensions: [attr_list]\n", "utf-8")
    known = {"SITE_URL": "https://example.org/docs", "EDIT_URI": "https://example.org/edit/main/docs/"}
    for builder in ("mkdocs", "zensical"):
        command = [sys.executable, "-m", builder, "build"]
        environment = os.environ | known | {"NO_MKDOCS_2_WARNING": "1"}
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        html = (tmp_path / "site/more/one.html").read_text("utf-8")
        image = "https://example.org/docs/assets/previews/more/one.png"
        assert f'<meta property="og:image" content="{image}">' in html
        assert '<meta property="og:url" content="https://example.org/docs/more/one.html">' in html
        assert 'href="https://example.org/edit/main/docs/more/one.md"' in html
        shutil.rmtree(tmp_path / "site")


def test_the_site_stays_small(site: Path) -> None:
    """Protects hosts and readers: the built site is below 80 MB, and every page's own file below 3 MB."""
    assert sum(file.stat().st_size for file in site.rglob("*") if file.is_file()) < 80e6
    assert max(file.stat().st_size for file in site.rglob("*.html")) < 3e6


def test_every_page_is_in_the_navigation() -> None:
    """Protects against orphans: each Markdown file of docs/ and each guide can be reached from the navigation."""
    nav = {entry.file for entry in read_site(ROOT).entries}
    guides = Guides(ROOT)
    pages = [*load_project(ROOT).pages, *(guides.page(guides.read(name)) for name in guides.names())]
    assert nav == {path.relative_to(ROOT / "docs").as_posix() for path in pages}
