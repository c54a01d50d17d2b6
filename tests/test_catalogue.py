"""Catalogues: what lies in the folders is listed, with the numbers of the cards and links that lead there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import Toy

from livedocs import catalogue
from livedocs.errors import DocsError
from livedocs.library import Definition, look_up
from livedocs.project import load_project
from livedocs.snippets import Snippet

ROOT = Path(__file__).parents[1]

CARD = """\
---
license: Apache-2.0
model_class: ToyForSums
parameters: 1234567
bytes: 2500000
training_minutes: 3.6
data: {}
metrics:
- {name: accuracy, value: 0.91, split: test, n: 500, seeds: [0, 499]}
- {name: exact match de, value: 0.8, split: test, n: 40, seeds: [0, 39]}
- {name: exact match fr, value: 0.95, split: test, n: 40, seeds: [0, 39]}
---

# toy-sums

Adds small numbers: up to a
hundred. It does nothing else.

## Limits

```python
never("run")
```
"""

PAGES = """\
---
title: Lists
cells: none
---
# Lists

@catalogue checkpoints

@catalogue snippets

@catalogue library

@catalogue bundle
"""


@pytest.fixture
def listed(toy: Toy) -> Toy:
    """A project with a checkpoint, a script that uses it and transformers, and a page with all catalogues."""
    code = (
        "# %% load\nfrom transformers import AutoConfig, pipeline\n\nCHECKPOINT = 'checkpoints/toy-sums'\n"
        "# %% use\nprint(AutoConfig.__name__)\ntext = open('docs/assets/text/a.txt').read()\n"
        "assert text == 'one'  # claim: toy-order\n"
    )
    toy.write("checkpoints/toy-sums/README.md", CARD)
    toy.write("checkpoints/toy-sums/model.safetensors", b"x" * 10)
    toy.write("checkpoints/.toy-new/README.md", "half written")
    toy.write("docs/assets/text/a.txt", "one")
    toy.write("docs/assets/text/b.txt", "two")
    toy.use(
        code,
        "---\ntitle: Toy\n---\n# Toy\n\nAn `AutoConfig`, again `AutoConfig`.\n\n@cell toy/load\n\n[Yes](claim:toy-order).\n\n"
        "@cell toy/use\n",
    )
    settings = "mkdocs.yml"
    toy.write(
        settings,
        toy.read(settings).replace("- admonition", "- admonition\n  - tables\n  - attr_list\n  - pymdownx.details"),
    )
    toy.write("docs/lists.md", PAGES)
    toy.record()
    return toy


def test_a_checkpoint_is_listed_by_its_card(listed: Toy) -> None:
    """Class, size, scores, time and the text of a card stand on the page, without a line written for it."""
    listed.build()
    html = listed.read("site/lists.html")
    row = re.search(r'<tr>\s*<td><a href="#toy-sums">toy-sums</a></td>(.*?)</tr>', html, re.DOTALL)
    assert row
    cells = [re.sub(r"<[^>]+>", " ", cell).strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", row[1], re.DOTALL)]
    assert cells == [
        "ToyForSums",
        "1,234,567",
        "2.5",
        "accuracy 0.910 (n = 500) exact match 0.800 to 0.950 (n = 40)",
        "4",
    ]
    assert 'id="toy-sums"' in html
    assert "Adds small numbers: up to a hundred." in html
    assert "make train NAME=toy-sums" in html
    assert re.search(r'Used on</strong> <a href="index.html">Toy</a>', html)
    assert "<strong>Limits</strong>" in html
    assert "<h2>Limits" not in html
    assert "language-python" not in html, "code in a card is shown and not run"
    assert "toy-new" not in html, "a folder that is being written is no checkpoint"


def test_a_script_is_listed_with_its_cells_and_claims(listed: Toy) -> None:
    """Every cell and every claim of a script can be found from one page, and so can its downloads."""
    listed.build()
    html = listed.read("site/lists.html")
    for link in (
        "index.html#cell-toy-use",
        "index.html#claim-toy-order",
        "outputs/toy/toy.py",
        "outputs/toy/toy.ipynb",
    ):
        assert f'href="{link}"' in html
    assert "1 scripts with 2 cells and 1 claims" in html


def test_names_of_the_library_lead_to_the_catalogue(listed: Toy) -> None:
    """From a name in code or text to its entry, and from there to its documentation, its source and the cells that use it."""
    home = listed.build()
    code = re.findall(r'<span class="[^"]*"><a class="ld-api" href="([^"]+)">(\w+)</a></span>', home)
    assert code == [
        ("lists.html#transformers.AutoConfig", "AutoConfig"),
        ("lists.html#transformers.pipeline", "pipeline"),
        ("lists.html#transformers.AutoConfig", "AutoConfig"),
    ]
    prose = re.findall(r'<a class="ld-api" href="[^"]+"><code>AutoConfig</code></a>', home)
    assert len(prose) == 1, "the first mention on a page, and no other"
    lists = listed.read("site/lists.html")
    version = listed.records.read(listed.project.snippets["toy"]).versions["transformers"]
    assert 'id="transformers.AutoConfig"' in lists
    assert f"https://huggingface.co/docs/transformers/v{version}/en/model_doc/auto#transformers.AutoConfig" in lists
    assert f"/blob/v{version}/src/transformers/models/auto/configuration_auto.py#L" in lists
    assert 'href="index.html#cell-toy-use"' in lists


def test_the_end_of_a_page_says_what_it_stands_on(listed: Toy) -> None:
    """Versions, the day of the record, the checkpoint and the names of the library; and nothing where no cell is."""
    home = listed.build()
    record = listed.records.read(listed.project.snippets["toy"])
    end = home[home.index('<div class="ld-colophon"') :]
    assert f"transformers {record.versions['transformers']}" in end
    assert f"Python {record.versions['python']}" in end
    day = record.recorded.split("-")
    assert f"{int(day[2])} " in end and day[0] in end
    assert "<code>toy-sums</code> (<code>ToyForSums</code>)" in end
    assert 'href="lists.html#transformers.AutoConfig"' in end
    assert 'href="#cell-toy-use"' in end
    assert "ld-colophon" not in listed.read("site/lists.html")


def test_the_bundle_is_described_as_it_is(listed: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page counts what would be packed, and offers a download only where there is one."""
    listed.build()
    assert "1 checkpoints (0 MB) and 1 files of inputs" in listed.read("site/lists.html")
    assert "This site does not hold it" in listed.read("site/lists.html")
    listed.write("mkdocs.yml", listed.read("mkdocs.yml") + 'extra: {bundle_url: !ENV [BUNDLE_URL, ""]}\n')
    monkeypatch.setenv("BUNDLE_URL", "https://example.org/bundle.zip")
    listed.build()
    assert '<a href="https://example.org/bundle.zip">Download the bundle</a>' in listed.read("site/lists.html")


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("no head", "checkpoints/toy-sums/README.md:1: the card has no head between two lines of ---"),
        (
            "---\nlicense: x\n---\n",
            "checkpoints/toy-sums/README.md: the card's head cannot be read (KeyError('metrics'))",
        ),
        ("---\nlicense: [x\n---\n", "checkpoints/toy-sums/README.md: the card's head cannot be read (ParserError"),
    ],
)
def test_a_malformed_card_is_named(listed: Toy, head: str, said: str) -> None:
    """A card that cannot be read stops the build with its name, and not with a table that lacks a row."""
    listed.write("checkpoints/toy-sums/README.md", head)
    assert said in listed.mistake()
    assert said in listed.build()


def test_an_unknown_catalogue_is_refused(listed: Toy) -> None:
    """A typing error is one message that lists what there is."""
    listed.replace("docs/lists.md", "@catalogue library", "@catalogue libary")
    assert "there is no catalogue 'libary'; known: checkpoints, snippets, library, bundle" in listed.mistake()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("x = open('docs/assets/text/a.txt')", {"docs/assets/text/a.txt"}),
        ("x = open(f'docs/assets/text/{name}.txt')", {"docs/assets/text/a.txt", "docs/assets/text/b.txt"}),
        ("x = f'checkpoints/{name}'\nname = 'toy-sums'", {"checkpoints/toy-sums/README.md", "checkpoints/toy-sums/model.safetensors"}),
        ("x = 'docs/assets/text/none.txt'", set()),
        ("x = 'text'", set()),
    ],
)  # fmt: skip
def test_inputs_of_a_script_are_found_in_its_strings(listed: Toy, code: str, expected: set[str]) -> None:
    """What the bundle holds follows from the code, also where a script puts a path together."""
    snippet = Snippet(Path("toy.py"), f"# %% a\n{code}\n")
    assert {path.relative_to(listed.root).as_posix() for path in catalogue.inputs(snippet, listed.root)} == expected


def test_every_path_in_a_script_is_packed() -> None:
    """Protects those who copy cells: whatever a script opens below docs/assets/ or checkpoints/ is in the bundle."""
    project = load_project(ROOT)
    weights, samples = catalogue.packed(project)
    held = {path.relative_to(ROOT).as_posix() for path in (*weights, *samples)}
    for snippet in project.snippets.values():
        for text in catalogue.strings(snippet):
            if text.startswith(("docs/assets/", "checkpoints/")) and (ROOT / text).exists() and text != "checkpoints/":
                assert any(name == text or name.startswith(f"{text.rstrip('/')}/") for name in held), text


def test_every_checkpoint_of_the_project_is_listed() -> None:
    """Protects new checkpoints from being forgotten: what has a card is on the page, and used by a page."""
    project = load_project(ROOT)
    page = project.page_of(ROOT / "docs" / "checkpoints.md")
    lines = "\n".join(catalogue.markdown(project, page, "checkpoints"))
    for folder in (ROOT / "checkpoints").iterdir():
        if (folder / "README.md").exists() and not folder.name.startswith("."):
            assert f"### {folder.name} {{#{folder.name}}}" in lines
    assert "no page yet" not in lines


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("transformers.ViTModel", "model_doc/vit#transformers.ViTModel"),
        ("transformers.AutoTokenizer", "model_doc/auto#transformers.AutoTokenizer"),
        ("transformers.pipeline", "main_classes/pipelines#transformers.pipeline"),
        ("transformers.TopPLogitsWarper", "internal/generation_utils#transformers.TopPLogitsWarper"),
        ("transformers.GenerationConfig", "main_classes/text_generation#transformers.GenerationConfig"),
        ("transformers.EncoderDecoderModel", "model_doc/encoder-decoder#transformers.EncoderDecoderModel"),
        ("transformers.models.bart.modeling_bart.BartEncoder", None),
    ],
)
def test_a_name_leads_to_its_page_of_the_documentation(path: str, page: str | None) -> None:
    """What is exported is documented on a page that follows from its module; what is internal is not."""
    definition = look_up([path])[path]
    assert definition.documentation("9.9") == (
        f"https://huggingface.co/docs/transformers/v9.9/en/{page}" if page else None
    )
    assert definition.source("9.9") == (
        f"https://github.com/huggingface/transformers/blob/v9.9/src/{definition.file}#L{definition.line}"
    )


def test_a_module_has_no_line(toy: Toy) -> None:
    """A link to a module leads to the top of its file."""
    definition = Definition("transformers.loss", "module", "transformers.loss", "transformers/loss/__init__.py", 0)
    assert str(definition.source("1.0")).endswith("/src/transformers/loss/__init__.py")


def test_reading_a_card_fails_with_one_kind_of_error(tmp_path: Path) -> None:
    """Whoever reads cards needs to expect a single kind of error."""
    (tmp_path / "README.md").write_text("---\nmetrics: 3\n---\n")
    with pytest.raises(DocsError, match="train the checkpoint again"):
        catalogue.read_checkpoint(tmp_path, tmp_path)
