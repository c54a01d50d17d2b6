"""Running cells: what they give is caught, and what goes wrong in them is told with the snippet's own lines."""

from __future__ import annotations

import io
import logging
import os
import sys
import wave
from pathlib import Path

import pytest

from livedocs.capture import inline_svg
from livedocs.runner import CellError, CellRun, Run, run_snippet, run_source
from livedocs.snippets import Snippet


def snippet(text: str, profile: str = "compact") -> Snippet:
    return Snippet(Path("snippets/toy.py"), text, profile=profile)


def run(text: str, folder: Path, profile: str = "compact") -> dict[str, CellRun]:
    return {one.name: one for one in run_snippet(snippet(text, profile), folder)}


def failure(text: str, folder: Path, profile: str = "compact") -> str:
    with pytest.raises(CellError) as caught:
        run(text, folder, profile)
    return str(caught.value)


def printed(code: str, folder: Path) -> str:
    return run(f"# %% a\n{code}\n", folder)["a"].output.text


# -- what a cell gives --


def test_cells_share_a_namespace_and_keep_their_outputs_apart(tmp_path: Path) -> None:
    """Cells run top to bottom as one program; each one's output stands under it alone."""
    runs = run("# %% a\nx = 1\nprint('a', x)\n# %% b\nx += 1\n# %% c\nprint('c', x)\n", tmp_path)
    assert [(name, one.output.text) for name, one in runs.items()] == [("a", "a 1\n"), ("b", ""), ("c", "c 2\n")]


def test_no_cell_runs_twice(tmp_path: Path) -> None:
    """However often and in whatever order results are asked for, a cell's code runs once."""
    state = Run(snippet("# %% a\nn = []\n# %% b\nn.append(1)\nprint(len(n))\n# %% c\nprint(len(n))\n"), tmp_path)
    assert [state.run_until(name).output.text for name in ("c", "b", "c", "b", "a")] == ["1\n", "1\n", "1\n", "1\n", ""]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("pass", ""),
        ("print()", ""),
        ("print(' \\n ')", ""),
        ("print('a  ')\nprint()\nprint()", "a\n"),
        ("print('a', end='')", "a\n"),
        ("print('10%\\r100%')", "100%\n"),
        ("print('10%', end='\\r')\nprint('99%', end='\\r')", "99%\n"),
        ("print('a\\r\\nb')", "a\nb\n"),
        ("print('\\x1b[1;31mred\\x1b[0m \\x1b[2Kplain')", "red plain\n"),
        ("print('a\\x02b\\x03\\x07c\\x00')", "abc\n"),
        ("print('Gr\u00fc\u00dfe \u4e16\u754c \U0001f600')", "Gr\u00fc\u00dfe \u4e16\u754c \U0001f600\n"),
        ("print('\\ud800')", "?\n"),
        ("print('x' * 5000)", "x" * 5000 + "\n"),
        ("import sys\nprint('log', file=sys.stderr)\nprint('out')", "out\n"),
        ("import sys\nsys.stdout.write('out')", "out\n"),
        ("from IPython.display import display\ndisplay(3, 'x')", "3\nx\n"),
    ],
)
def test_text_is_kept_as_a_terminal_shows_it(code: str, text: str, tmp_path: Path) -> None:
    """A page shows what a reader would see: no control characters, and of a progress bar its end."""
    assert printed(code, tmp_path) == text


def test_threads_print_into_their_cell(tmp_path: Path) -> None:
    """Output of helpers that a cell waits for is the cell's output."""
    code = "from threading import Thread\nt = Thread(target=print, args=('from a thread',))\nt.start()\nt.join()"
    assert printed(code, tmp_path) == "from a thread\n"


def test_figures_are_caught_when_shown(tmp_path: Path) -> None:
    """Each shown figure stands under its cell once, also when `show` is called twice or shows two."""
    runs = run(
        "# %% a\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nplt.show()\n"
        "# %% b\nplt.figure()\nplt.figure()\nplt.show()\n# %% c\nfigure, ax = plt.subplots()\nplt.close(figure)\n",
        tmp_path,
    )
    assert [len(one.output.figures) for one in runs.values()] == [1, 2, 0]
    figure = runs["a"].output.figures[0]
    assert figure.kind == "svg"
    assert figure.data.startswith(b"<svg")
    assert b"<script" not in figure.data


def test_a_figure_left_open_is_an_error(tmp_path: Path) -> None:
    """A notebook would show it and the page would not; and it must not turn up under another cell or page."""
    message = failure("# %% a\nimport matplotlib.pyplot as plt\nplt.plot([1])\n", tmp_path)
    assert message.startswith("snippets/toy.py:2: cell 'a' draws a figure and does not show it; call `plt.show()`")
    assert not run("# %% a\nimport matplotlib.pyplot as plt\nplt.show()\n", tmp_path)["a"].output.figures


def test_settings_of_figures_last_as_long_as_the_snippet(tmp_path: Path) -> None:
    """A size set in the first cell holds in later cells, as in the script, and not on other pages."""
    text = "# %% a\nimport matplotlib.pyplot as plt\nbefore = plt.rcParams['figure.figsize']\nprint(before)\n"
    more = "plt.rcParams['figure.figsize'] = (2, 1)\n# %% b\nplt.plot([1])\nplt.show()\n"
    first = run(text + more, tmp_path)
    assert first["b"].output.figures[0].content["size"] == [2.0, 1.0]
    assert run(text, tmp_path)["a"].output.text == first["a"].output.text


def test_the_same_figure_gives_the_same_bytes_in_both_profiles(tmp_path: Path) -> None:
    """Recording again changes no file, and equal figures of two profiles are known as equal."""
    text = "# %% a\nimport matplotlib.pyplot as plt\nplt.plot([1, 2, 3], marker='o')\nplt.imshow([[1]])\nplt.show()\n"
    once, twice = (run(text, tmp_path)["a"].output.figures[0] for _ in range(2))
    full = run(text + "x = 1  # full size: 2\n", tmp_path, "full-size")["a"].output.figures[0]
    assert once == twice
    assert full.data.replace(b"toy-full-size-", b"toy-compact-") == once.data
    assert full.data != once.data


def test_sounds_are_caught_as_wav(tmp_path: Path) -> None:
    """A sound that a cell plays can be played on the page, wherever `display` was imported."""
    runs = run(
        "# %% a\nimport numpy as np\nfrom IPython.display import Audio, display\n"
        "# %% b\ndisplay(Audio(np.sin(np.arange(800) / 9), rate=8000))\n# %% c\nprint('quiet')\n",
        tmp_path,
    )
    assert [len(one.output.audio) for one in runs.values()] == [0, 1, 0]
    (sound,) = runs["b"].output.audio
    with wave.open(io.BytesIO(sound.data)) as file:
        assert (file.getframerate(), file.getnframes()) == (8000, 800)
    assert sound.content["rate"] == 8000
    assert sound.content["samples"]["shape"] == [800]


def test_a_snippet_is_the_running_program(tmp_path: Path) -> None:
    """What works in the script works in its cells: the main guard, and looking up one's own classes."""
    code = (
        "import pickle\nfrom dataclasses import dataclass\n@dataclass\nclass Point:\n    x: 'int'\n"
        "if __name__ == '__main__':\n    print(pickle.loads(pickle.dumps(Point(3))))"
    )
    before = sys.modules["__main__"]
    assert printed(code, tmp_path) == "Point(x=3)\n"
    assert sys.modules["__main__"] is before


def test_future_imports_hold_for_later_cells(tmp_path: Path) -> None:
    """What the first cell imports from `__future__` holds for the whole script."""
    text = "# %% a\nfrom __future__ import annotations\n# %% b\ndef f(x: Unknown): return 1\nprint(f(0))\n"
    assert run(text, tmp_path)["b"].output.text == "1\n"


def test_a_cell_changes_folder_for_the_snippet_only(tmp_path: Path) -> None:
    """As in a script, later cells run where `os.chdir` led; the tool itself stays where it was."""
    (tmp_path / "below").mkdir()
    before = Path.cwd()
    runs = run("# %% a\nimport os\nos.chdir('below')\n# %% b\nprint(os.path.basename(os.getcwd()))\n", tmp_path)
    assert runs["b"].output.text == "below\n"
    assert Path.cwd() == before


def test_asserted_claims_are_noted_once(tmp_path: Path) -> None:
    """A record names the claims that held, also those in a loop or a function, each once."""
    runs = run(
        "# %% a\nfor i in [1, 2]:\n    assert i > 0  # claim: loop\ndef f(x):\n    assert x  # claim: inside\n    return x\n"
        "f(1)\n# %% b\ny = f(2)\n",
        tmp_path,
    )
    assert sorted(runs["a"].proved) == ["inside", "loop"]


# -- what goes wrong --


def test_a_traceback_begins_in_the_snippet(tmp_path: Path) -> None:
    """The reader of a failure sees the snippet's file, line and code, and nothing of the tool's."""
    message = failure("# %% a\nx = 1\n\n# %% b\ny = {}\nz = y['k']\n", tmp_path)
    assert message.startswith("snippets/toy.py:6: cell 'b' raised KeyError: 'k'\n")
    assert "z = y['k']" in message
    assert "runner.py" not in message


@pytest.mark.parametrize("profile", ["compact", "full-size"])
def test_a_traceback_through_two_cells_points_to_both_lines(tmp_path: Path, profile: str) -> None:
    """A function of one cell that fails when another calls it: both lines are shown, as they stand in that profile."""
    text = "# %% a\nSIZE = 1  # full size: 2\ndef f(x):\n    return x / 0\n\n# %% b\n\nf(SIZE)\n"
    text = text.replace("x / 0", "x / 0  # compact").replace("    return", "    # full size: y = 1\n    return")
    message = failure(text, tmp_path, profile)
    assert message.startswith("snippets/toy.py:5: cell 'b' raised ZeroDivisionError: division by zero\n")
    assert "line 9, in <module>\n    f(SIZE)" in message
    assert "line 5, in f\n    return x / 0" in message


def test_a_failed_assertion_shows_its_values(tmp_path: Path) -> None:
    """Plain assertions say nothing; the message adds what the names held, and survives what cannot be shown."""
    text = (
        "# %% a\nclass Odd:\n    def __repr__(self): raise ValueError\n"
        "n, odd = sum([1, 1]), Odd()\nassert n == 3 and odd  # claim: c\n"
    )
    message = failure(text, tmp_path)
    assert message.startswith("snippets/toy.py:5: cell 'a' raised AssertionError")
    assert "n = 2" in message
    assert "odd = (ValueError in its repr)" in message


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise SystemExit(0)", "raised SystemExit: 0"),
        ("import sys; sys.exit('bye')", "raised SystemExit: bye"),
        ("input('name? ')", "raised EOFError"),
        ("import sys; sys.stdin.readline() or 1 / 0", "raised ZeroDivisionError"),
        ("len(3)", "raised TypeError: object of type 'int' has no len()"),
        ("eval('1 +')", "raised SyntaxError: invalid syntax"),
        ("error = ValueError('why'); error.add_note('a note'); raise error", "raised ValueError: why"),
        ("raise ValueError('one\\ntwo')", "raised ValueError: one\ntwo"),
        ("raise ExceptionGroup('all', [ValueError('x')])", "ExceptionGroup: all"),
        ("def f(): f()\nf()", "raised RecursionError"),
        ("import os, shutil, tempfile; d = tempfile.mkdtemp(); os.chdir(d); os.rmdir(d)", "raised FileNotFoundError"),
    ],
)
def test_whatever_a_cell_raises_is_its_error(code: str, said: str, tmp_path: Path) -> None:
    """Also what would end the tool, or wait for ever for somebody to type, is reported as the cell's failure."""
    message = failure(f"# %% a\n{code}\n", tmp_path)
    assert message.startswith("snippets/toy.py:2: cell 'a' ")
    assert said in message


def test_the_tool_recovers_from_a_failed_cell(tmp_path: Path) -> None:
    """One failing page leaves nothing behind that another could trip over: figures, folder, streams."""
    failure("# %% a\nimport matplotlib.pyplot as plt, os\nos.chdir('/')\nplt.plot([1])\n1 / 0\n", tmp_path)
    before = Path.cwd(), sys.stdout, sys.stdin
    assert run("# %% a\nimport matplotlib.pyplot as plt\nplt.show()\nprint(1)\n", tmp_path)["a"].output.text == "1\n"
    assert before == (Path.cwd(), sys.stdout, sys.stdin)


def test_cells_after_a_failure_say_why_they_did_not_run(tmp_path: Path) -> None:
    """One mistake is one failure: what follows from it says so and names it."""
    state = Run(snippet("# %% a\n1 / 0\n# %% b\nprint('never')\n# %% c\nx = 1\n"), tmp_path)
    with pytest.raises(CellError, match=r"snippets/toy.py:2: cell 'a' raised"):
        state.run_until("a")
    for name in ("b", "c"):
        with pytest.raises(CellError) as caught:
            state.run_until(name)
        assert str(caught.value) == (
            "not run, because an earlier cell failed: "
            "snippets/toy.py:2: cell 'a' raised ZeroDivisionError: division by zero"
        )


@pytest.mark.parametrize(
    "code",
    [
        "if not x:\n    assert x  # claim: c",
        "def f():\n    assert x  # claim: c",
        "for y in []:\n    assert y  # claim: c",
        "try:\n    assert not x  # claim: c\nexcept AssertionError:\n    pass",
    ],
)
def test_an_assertion_that_never_ran_is_an_error(code: str, tmp_path: Path) -> None:
    """A proof that was skipped, or failed unseen, proves nothing."""
    message = failure(f"# %% a\nx = sum([1])\n{code}\n", tmp_path)
    assert message.startswith("snippets/toy.py:4: the assertion of claim 'c' never ran; move it to a line that does")


def test_assertions_count_in_optimised_python(tmp_path: Path) -> None:
    """`python -O` leaves assertions out; a cell's must fail all the same."""
    import subprocess

    (tmp_path / "toy.py").write_text("# %% a\nx = sum([1])\nassert x == 2  # claim: c\n")
    code = (
        "from pathlib import Path; from livedocs.runner import run_snippet; from livedocs.snippets import Snippet\n"
        "list(run_snippet(Snippet(Path('toy.py')), Path('.')))"
    )
    root = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-O", "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": root},
        capture_output=True,
        text=True,
    )
    assert "toy.py:3: cell 'a' raised AssertionError" in done.stderr


@pytest.mark.parametrize("category", ["DeprecationWarning", "FutureWarning"])
def test_a_deprecated_call_fails_its_cell(category: str, tmp_path: Path) -> None:
    """A page must not teach what goes away with the next version."""
    code = f"import warnings\ndef old():\n    warnings.warn('use new()', {category}, stacklevel=2)\n\nold()"
    message = failure(f"# %% a\n{code}\n", tmp_path)
    assert message.startswith("snippets/toy.py:4: cell 'a' raised ")
    assert f"{category}: use new()" in message


def test_a_deprecation_that_a_library_logs_fails_its_cell(tmp_path: Path) -> None:
    """Transformers says some deprecations through its logger only."""
    code = "import logging\nlogging.getLogger('transformers.models').warning('`old` is deprecated, use `new`')"
    message = failure(f"# %% a\n{code}\n", tmp_path)
    assert message == (
        "snippets/toy.py:2: cell 'a' uses something deprecated: `old` is deprecated, use `new`; "
        "use what it names instead"
    )


def test_a_silenced_logger_is_heard_in_the_next_script(tmp_path: Path) -> None:
    """Protects the rule above from the script before: training with `log_level="error"` silences the library for the process."""
    logger = logging.getLogger("transformers")
    before = logger.level
    try:
        logger.setLevel(logging.ERROR)
        test_a_deprecation_that_a_library_logs_fails_its_cell(tmp_path)
    finally:
        logger.setLevel(before)


@pytest.mark.filterwarnings("ignore")
def test_other_warnings_do_not_fail_a_cell(tmp_path: Path) -> None:
    """A warning about something else, or one that concerns a library's own code, is no mistake of the page."""
    code = (
        "import warnings\nwarnings.warn('mind the gap')\nwarnings.warn_explicit('x', FutureWarning, 'f.py', 1, 'numpy')"
    )
    assert printed(f"{code}\nprint('fine')", tmp_path) == "fine\n"


# -- literal fences --


def test_a_fence_that_raises_is_told_with_its_line(tmp_path: Path) -> None:
    """The failing line of the page is named, not the library's in which it failed."""
    with pytest.raises(CellError) as caught:
        run_source("import json\n\njson.loads('{')\n", "docs/index.md", 10, {}, tmp_path)
    assert str(caught.value).startswith("docs/index.md:13: this fence raised json.decoder.JSONDecodeError")
    assert "json.loads('{')" in str(caught.value)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = (\n", "docs/index.md:11: this fence raised SyntaxError"),
        ("raise SystemExit\n", "docs/index.md:11: this fence raised SystemExit"),
        ("input()\n", "docs/index.md:11: this fence raised EOFError"),
        (
            "import logging\nlogging.getLogger('transformers').warning('deprecated')\n",
            "docs/index.md:10: this fence uses something deprecated",
        ),
    ],
)
def test_a_fence_is_held_to_the_rules_of_cells(source: str, said: str, tmp_path: Path) -> None:
    """Literal Python fails for the same reasons as a cell, and is told in the same words."""
    with pytest.raises(CellError) as caught:
        run_source(source, "docs/index.md", 10, {}, tmp_path)
    assert str(caught.value).startswith(said)


def test_making_a_figure_small_is_no_time_of_its_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the seconds under a cell: they are those of its code, and not of the tool that packs its figures."""
    code = "# %% a\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\n"
    clock = iter(range(0, 10_000, 100))  # one reading is a hundred seconds after the other
    monkeypatch.setattr(os, "times", lambda: os.times_result((float(next(clock)), 0.0, 0.0, 0.0, 0.0)))
    cell = run(code, tmp_path)["a"]
    [figure] = cell.output.figures
    assert figure.packing == 100
    assert cell.seconds == 200  # four readings: around the code, and around the packing


def test_a_picture_that_a_figure_shows_twice_has_one_id() -> None:
    """Protects the validity of pages: Matplotlib names pictures by content, and an id may stand in a page once."""
    svg = '<svg width="10pt" viewBox="0 0 1 1"><image id="image1"/><image id="image1"/><path id="p"/></svg>'
    found = inline_svg(svg, "vit-1")
    assert found.count("<image") == 2
    assert found.count('id="vit-1-image1"') == 1
    assert found.count('id="vit-1-p"') == 1
