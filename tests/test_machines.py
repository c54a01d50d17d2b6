"""What a built site holds for programs: Markdown copies, llms.txt, the feed, and what a page says of itself."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import nbformat
import pytest
from conftest import Toy

from livedocs.__main__ import main
from livedocs.errors import DocsError
from livedocs.machines import changes, feed, write
from livedocs.navigation import read_site
from livedocs.pages import COMMANDS
from livedocs.plain import front_matter, plain, plain_notebook
from livedocs.project import load_project

ROOT = Path(__file__).parents[1]
ATOM = "{http://www.w3.org/2005/Atom}"

CHANGES = """\
---
title: What changed
cells: none
---
# What changed

## 2026-11-25: A second page & more {#second}

See [the other](more/other.md#part).

## 2026-11-22: The first page {#first}

It *adds*.
"""


@pytest.fixture
def built(toy: Toy) -> Toy:
    """A recorded project with a page of changes, a page in a folder, and a folder that holds a site."""
    toy.write("docs/changes.md", CHANGES)
    toy.write(
        "docs/more/other.md",
        "---\ntitle: Other\ndescription: About another.\ncells: none\n---\n# Other\n\n## Part {#part}\n\n"
        '!!! note "Mind"\n    They [add up](claim:toy-sum).\n\n    Twice.\n\n'
        '<div class="ld-cards" markdown>\n\n- [Toy](../index.md){ .ld-button }\n{.ld-lead}\n\n</div>\n\n'
        '```text\n@cell toy/add\n--8<-- "snippets/toy.py"\n```\n\nWrite `[x](claim:none)` there.\n',
    )
    toy.write(
        "mkdocs.yml",
        toy.read("mkdocs.yml") + "nav: [index.md, {More: [more/other.md, changes.md]}]\nsite_description: A toy.\n",
    )
    toy.record()
    toy.write("site/index.html", "<html>")
    return toy


def test_a_page_is_plain_markdown(built: Toy) -> None:
    """A program gets code, output, the description of a figure and the proof of a claim, in Markdown that anything reads."""
    write(built.root, built.root / "site")
    text = built.read("site/index.md")
    assert '```python\ntotal = sum(range(SIZE))\nprint("total", total)' in text
    assert "Output:\n\n```text\ntotal 3\n```" in text
    assert "Output in full size (published architecture, random weights):\n\n```text\ntotal 6\n```" in text
    assert "*[Figure](index.html#cell-toy-plot): A rising line.*" in text
    assert "[add up](index.html#claim-toy-sum)" in text
    assert "[toy.ipynb](outputs/toy/toy.ipynb)" in text
    assert '```python\nprint("literal")\n```' in text
    assert "Last verified with Python" in text
    assert not re.search(r"^@|^---\ntitle", text, re.MULTILINE)


def test_what_only_this_site_understands_is_translated(built: Toy) -> None:
    """Boxes become quotations, attributes and divisions go, links hold in another folder, and examples stay examples."""
    write(built.root, built.root / "site")
    text = built.read("site/more/other.md")
    assert text.startswith("# Other\n\n> About another.\n")
    assert "> **Mind**\n>\n> They [add up](../index.html#claim-toy-sum).\n>\n> Twice.\n" in text
    assert "- [Toy](../index.md)\n" in text
    assert "div" not in text
    assert "ld-" not in text
    assert "## Part {#part}" in text
    assert "```text\n@cell toy/add\n# %% [markdown]\n# # Toy\n" in text
    assert "Write `[x](claim:none)` there." in text


def test_llms_txt_lists_every_page(built: Toy) -> None:
    """A program that knows one address finds all pages; with an address of the site the links are whole."""
    said = write(built.root, built.root / "site")
    assert said == "3 pages as Markdown, llms.txt, feed.xml"
    text = built.read("site/llms.txt")
    assert text.startswith("# Toy\n\n> A toy.\n")
    assert (
        "## Start\n\n- [Toy](index.md)\n\n## More\n\n- [Other](more/other.md): About another.\n- [What changed](changes.md)\n"
        in text
    )
    assert "total 3" in built.read("site/llms-full.txt")
    write(built.root, built.root / "site", "https://example.org/docs")
    assert "(https://example.org/docs/more/other.md)" in built.read("site/llms.txt")


def test_the_feed_tells_what_changed(built: Toy) -> None:
    """A feed reader gets each entry once, with an id that stays and links that lead to the site."""
    site = read_site(built.root)
    found = changes(built.root / "docs/changes.md", built.root)
    for address in ("", "https://example.org/docs/"):
        root = ElementTree.fromstring(feed(read_site(built.root, address), found))
        assert root.find(f"{ATOM}updated").text == "2026-11-25T00:00:00Z"  # type: ignore[union-attr]
        entries = root.findall(f"{ATOM}entry")
        assert [entry.find(f"{ATOM}title").text for entry in entries] == ["A second page & more", "The first page"]  # type: ignore[union-attr]
        assert entries[0].find(f"{ATOM}link").get("href") == f"{address}changes.html#second"  # type: ignore[union-attr]
        assert f'<a href="{address}more/other.html#part">' in entries[0].find(f"{ATOM}content").text  # type: ignore[union-attr,operator]
        ids = [one.text for one in root.iter(f"{ATOM}id")]
        assert len(set(ids)) == 3
        assert all(re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", str(one)) for one in ids)
    assert feed(site, found) == feed(site, changes(built.root / "docs/changes.md", built.root))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{#second}", "", "docs/changes.md:7: malformed entry; write `## 2026-11-25: A title {#an-id}`"),
        ("2026-11-25", "2026-11-31", "docs/changes.md:7: 2026-11-31 is no day"),
        ("{#first}", "{#second}", "docs/changes.md:11: the id 'second' stands twice"),
        ("2026-11-22", "2026-11-26", "docs/changes.md:11: an entry that is newer than the one above it"),
    ],
)
def test_a_malformed_change_is_named(built: Toy, old: str, new: str, said: str) -> None:
    """A feed is read by machines: an entry that they would misread stops the build."""
    built.replace("docs/changes.md", old, new)
    with pytest.raises(DocsError, match=re.escape(said)):
        changes(built.root / "docs/changes.md", built.root)


def test_a_notebook_is_plain_markdown_too(tmp_path: Path) -> None:
    """A page that is a notebook is no gap for programs: text, code, output and the descriptions of figures."""
    book = nbformat.v4.new_notebook()
    code = nbformat.v4.new_code_cell("print(1)")
    code.outputs = [
        nbformat.v4.new_output("stream", text="1\n"),
        nbformat.v4.new_output("display_data", {"image/png": "x"}, metadata={"alt": "A line."}),
    ]
    book.cells = [nbformat.v4.new_markdown_cell("# Title\n\nIt [holds](claim:one)."), code]
    nbformat.write(book, tmp_path / "a.ipynb")
    assert plain_notebook(tmp_path / "a.ipynb") == (
        "# Title\n\nIt [holds](#claim-one).\n\n```python\nprint(1)\n```\n\nOutput:\n\n```text\n1\n```\n\n*Figure: A line.*\n"
    )


def test_the_command_works_after_any_builder(
    built: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A builder without hooks is followed by a command; without a site that says so."""
    monkeypatch.chdir(built.root)
    assert main(["machines"]) == 0
    assert "3 pages as Markdown" in capsys.readouterr().out
    assert main(["machines", "--site-dir", "elsewhere"]) == 1
    assert "build it first" in capsys.readouterr().err


def test_mkdocs_writes_them_by_itself(built: Toy) -> None:
    """`make build` and `make serve` need no second step: the hook runs when MkDocs is done."""
    hook = ROOT / "livedocs" / "machines.py"
    built.write("mkdocs.yml", f"{built.read('mkdocs.yml')}hooks: ['{hook}']\n")
    built.build()
    for name in ("index.md", "more/other.md", "llms.txt", "llms-full.txt", "feed.xml"):
        assert (built.root / "site" / name).exists()


def test_settings_are_read_without_a_builder(built: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Environment variables count as they do for MkDocs, and tags that only a builder understands are passed over."""
    settings = built.read("mkdocs.yml")
    built.write("mkdocs.yml", f'{settings}site_url: !ENV [SITE_URL, ""]\nother: !!python/name:os.getcwd\n')
    assert read_site(built.root).address == ""
    monkeypatch.setenv("SITE_URL", "https://example.org/x")
    assert read_site(built.root).address == "https://example.org/x/"
    assert [(entry.file, entry.section) for entry in read_site(built.root).entries] == [
        *(("index.md", ""), ("more/other.md", "More"), ("changes.md", "More"))
    ]


# -- the project's own pages -------------------------------------------------------------------------------------------

PAGES = {entry.file: ROOT / "docs" / entry.file for entry in read_site(ROOT).entries if entry.file.endswith(".md")}


def test_every_page_says_what_it_is_about() -> None:
    """Protects those who find a page by a search or a shared link: title and description are there, short and its own."""
    seen: dict[str, str] = {}
    for name, path in PAGES.items():
        fields = front_matter(path)
        title, description = fields.get("title", ""), fields.get("description", "")
        assert 3 <= len(title) <= 60, f"{name}: title of {len(title)} characters"
        assert 60 <= len(description) <= 250, f"{name}: description of {len(description)} characters"
        assert description.rstrip().endswith((".", "?")), f"{name}: a description is a sentence"
        for text in (title, description):
            assert text not in seen, f"{name} says the same as {seen.get(text)}: {text}"
            seen[text] = name


@pytest.mark.parametrize("name", PAGES)
def test_every_page_can_be_read_as_plain_markdown(name: str) -> None:
    """Protects programs: no embed, claim link, attribute or division of the site's own Markdown is left in a copy."""
    project = load_project(ROOT)
    page = project.page_of(PAGES[name])
    text = plain(project, page)
    outside = re.sub(r"^(`{3,}|~{3,}).*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    outside = re.sub(r"`[^`\n]*`", "", outside)
    if name.startswith("reference/"):  # docstrings show what they speak of in indented lines
        outside = re.sub(r"^ {4}.*$", "", outside, flags=re.MULTILINE)
    assert not re.search(
        rf"^@({'|'.join(COMMANDS)})\b|\]\((?:claim|card):|\{{\s*\.|<div|^!!!|^\?\?\?|^=== |^:::|--8<--",
        outside,
        re.MULTILINE,
    )
    for embed in page.cells:
        snippet, cell = project.find_cell(page, embed)
        assert cell.source in text, f"{snippet.file}: {cell.name}"


def test_the_changes_of_the_project_are_in_order() -> None:
    """Protects subscribers: the page of changes makes a valid feed."""
    found = changes(ROOT / "docs" / "changes.md", ROOT)
    assert found
    assert all(change.text for change in found)
    ElementTree.fromstring(feed(read_site(ROOT, "https://example.org/"), found))


def test_building_imports_neither_torch_nor_transformers() -> None:
    """Protects the build: what reads pages, records and cards needs no model library, which takes seconds to import."""
    code = (
        "import sys, livedocs.markdown, livedocs.machines, livedocs.catalogue, livedocs.colophon, livedocs.previews\n"
        "print([name for name in ('torch', 'transformers', 'matplotlib', 'playwright') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
