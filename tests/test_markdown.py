"""The built page: a reader sees each cell with its output, copies it as it stands, and is led from a claim to its proof."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from conftest import SNIPPET, Toy


class _Reader(HTMLParser):
    """The text of every code block, and of what carries an id."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.codes: list[str] = []
        self.ids: list[str] = []
        self.links: list[dict[str, str]] = []
        self._inside = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if "id" in values:
            self.ids.append(values["id"])
        if tag == "a" and "ld-claim" in values.get("class", ""):
            self.links.append(values)
        if tag == "code":
            self._inside = True
            self.codes.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "code":
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.codes[-1] += data


def cell(html: str, name: str) -> str:
    """The HTML of one embedded cell."""
    start = html.index(f'id="cell-toy-{name}"')
    return html[start : html.index("ld-cell__meta", start)]


def test_a_page_shows_cells_outputs_and_proofs(toy: Toy) -> None:
    """The page as a reader gets it: code, printed text, described figure, downloads, and tabs where profiles differ."""
    toy.replace("docs/index.md", "    alt: A rising line.", '    alt: A <rising> "line".\n    caption: See & believe.')
    toy.record()
    html = toy.build()
    reader = _Reader(html)
    assert len(reader.ids) == len(set(reader.ids))
    # Copied code is the snippet's, in both profiles.
    snippet = toy.project.snippets["toy"]
    for profile in snippet.profiles:
        for part in snippet.in_profile(profile).cells:
            assert part.source + "\n" in reader.codes
    # Tabs stand where the profiles differ.
    for name in ("setup", "add", "plot"):
        assert cell(html, name).count("<label") == 2
    assert "total 3" in cell(html, "add")
    assert "total 6" in cell(html, "add")
    assert "needs" not in cell(html, "add")
    assert "which need the published weights" in cell(html, "plot")
    # A figure is described.
    assert '<svg role="img" aria-label="A &lt;rising&gt; &quot;line&quot;."' in cell(html, "plot")
    assert "<figcaption>See &amp; believe.</figcaption>" in cell(html, "plot")
    assert 'href="outputs/toy/toy.ipynb"' in html
    # A claim leads to the line that proves it, and to nothing but that line.
    (link,) = reader.links
    assert link["href"] == "#claim-toy-sum"
    assert "snippets/toy.py, line 10" in link["title"]
    assert reader.ids.count("claim-toy-sum") == 1
    proof = re.search(r'<span class="ld-proof" id="claim-toy-sum">(.*?)</code>', html, re.DOTALL)
    assert proof
    assert re.sub(r"<[^>]+>", "", proof[1]).startswith("assert total == SIZE * (SIZE - 1) // 2")
    assert (toy.root / "site/outputs/toy/toy.ipynb").exists()


def test_claims_lead_to_proofs_on_other_pages(toy: Toy) -> None:
    """A statement may stand on another page, in another folder, than its proof; the strict build follows the link."""
    toy.record()
    toy.write("docs/more/other.md", "---\ncells: none\n---\n# Other\n\nThey [add up](claim:toy-sum).\n")
    assert toy.check()
    toy.build()
    (link,) = _Reader(toy.read("site/more/other.html")).links
    assert link["href"] == "../index.html#claim-toy-sum"


def test_tabs_appear_only_where_profiles_differ(toy: Toy) -> None:
    """A cell that is the same in both profiles is shown once, also with figures drawn as SVG or PNG."""
    code = (
        "# %% size\nSIZE = 3  # full size: 4\n"
        "# %% words\nprint('same')\n"
        "# %% vector\nimport matplotlib.pyplot as plt\nplt.plot([1, 2, 3], marker='o')\nplt.show()  # figure\n"
        "# %% pixels\nimport numpy as np\n_, ax = plt.subplots()\nax.scatter(*np.random.default_rng(0).normal(size=(2, 6000)))\n"
        "plt.show()  # figure\n"
        "# %% other\nimport numpy as np\nplt.imshow(np.random.default_rng(SIZE).normal(size=(90, 90)))\nplt.show()  # figure\n"
        "# %% printed\nprint(SIZE)\n"
    )
    toy.use(code)
    toy.record()
    assert any(name.endswith(".png") for name in toy.outputs())
    html = toy.build()
    tabs = {name: "<label" in cell(html, name) for name in ("size", "words", "vector", "pixels", "other", "printed")}
    assert tabs == {"size": True, "words": False, "vector": False, "pixels": False, "other": True, "printed": True}


def test_pictures_of_a_figure_are_files_of_their_own(toy: Toy) -> None:
    """Protects readers on slow lines: text comes first. The figure's own file stays whole, and what is missing is named."""
    toy.use("# %% map\nimport matplotlib.pyplot as plt\nplt.imshow([[1, 2], [3, 4]])\nplt.show()  # figure\n")
    toy.record()
    name = "outputs/toy/compact/map-1-picture1.webp"
    html = cell(toy.build(), "map")
    assert "base64" in toy.read("docs/outputs/toy/compact/map-1.svg")
    assert "base64" not in html
    assert f'<img src="{name}" alt=""' in html
    assert (toy.root / "site" / name).read_bytes()[8:12] == b"WEBP"
    (toy.root / "docs" / name).unlink()
    assert (
        "docs/index.md:3: docs/outputs/toy/compact/map-1-picture1.webp, a picture of this cell's figure, is missing; "
        "run `make record ONLY=toy`" in toy.build()
    )


def test_code_is_shown_as_it_stands(toy: Toy) -> None:
    """What a reader copies is the snippet's code to the letter: quotes, tags, blank lines, tabs in strings and claims."""
    code = (
        's = """\n  <b>&amp; "x"\n\n\n# claim: none\n\t@cell toy/a\n"""\n\n\ndef f(x):\n    if x:  # \u4e16\u754c & <i>\n        return x\n\n\n'
        "assert (\n    f(s)\n    and s\n)  # claim: long"
    )
    toy.use(
        f"# %% odd\n{code}\n\n# %% last\nx = 1\n",
        "# T\n\n@cell toy/odd\n\n[Yes](claim:long) and [no](index.md).\n\n@cell toy/last\n",
    )
    toy.record()
    reader = _Reader(toy.build())
    assert reader.codes == [f"{code}\n", "x = 1\n"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ("@cell toy/add", "@cell toy/ad"),
            "docs/index.md:10: snippets/toy.py has no cell 'ad'; its cells: setup, add, plot",
        ),
        (("claim:toy-sum", "claim:toy-total"), "docs/index.md:8: nothing proves claim 'toy-total'; label an assertion"),
        (("    alt: A rising line.\n", ""), "docs/index.md:12: cell 'toy/plot' shows 1 figure(s)"),
        (("@downloads toy", "@embed toy"), "docs/index.md:19: unknown embed '@embed'; known: @cell"),
        (("@downloads toy", "@include none.md"), "docs/index.md:19: there is no docs/none.md to include"),
    ],
)
def test_the_build_stops_with_one_message(toy: Toy, change: tuple[str, str], said: str) -> None:
    """A mistake never reaches the built site: the build fails and names the page's line, without a traceback."""
    toy.record()
    toy.replace("docs/index.md", *change)
    message = toy.build()
    assert said in message
    assert "Traceback" not in message


def test_a_build_needs_records(toy: Toy) -> None:
    """The site cannot be built before its outputs were recorded, nor from stale ones."""
    assert "docs/outputs/toy/compact/record.json is missing" in toy.build()
    toy.record()
    toy.write("snippets/toy.py", SNIPPET.replace("SIZE = 3", "SIZE = 5"))
    assert "the record of cell 'setup' is stale" in toy.build()


def test_examples_of_embeds_stay_examples(toy: Toy) -> None:
    """A page can explain embeds: in a fence or in code they are text, and embeds around them keep their places."""
    toy.record()
    toy.replace(
        "docs/index.md",
        "@cell toy/add\n",
        "```text\n@cell toy/none\n```\n\n`@cell toy/none` `[x](claim:none)`\n\n@cell toy/add\n",
    )
    html = toy.build()
    assert html.count("@cell toy/none") == 2
    assert "total 3" in cell(html, "add")


def test_included_files_are_markdown_of_the_page(toy: Toy) -> None:
    """A recorded table can be put into a page."""
    toy.record()
    toy.write("docs/outputs/bench.md", "Taken **today**.\n")
    toy.replace("docs/index.md", "@downloads toy", "@include outputs/bench.md")
    assert "Taken <strong>today</strong>." in toy.build()
