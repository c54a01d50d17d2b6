"""Catch what a cell prints, shows and plays."""

from __future__ import annotations

import base64
import contextlib
import gzip
import io
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from PIL import Image

from livedocs.palette import STYLE, themed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PHOTOGRAPH = 10_000
"""A picture inside a figure that takes more bytes than this without loss is stored with a little."""

SAMPLES = 64
"""How many values of an array a description keeps."""


@dataclass(frozen=True)
class ShownFigure:
    """A figure as it goes into the page.

    Attributes:
        kind: `svg`, or `png` where that is smaller.
        data: The file's bytes.
        content: What is drawn, in words and numbers, for comparing runs (see `describe_figure`).
        packing: Seconds that it took to make the drawn figure small. They are no part of what the cell took.
    """

    kind: str
    data: bytes
    content: dict[str, Any]
    packing: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class PlayedAudio:
    """A sound as it goes into the page: a WAV file and its description."""

    data: bytes
    content: dict[str, Any]


@dataclass
class Captured:
    """What one cell gave out."""

    text: str = ""
    figures: list[ShownFigure] = field(default_factory=list)
    audio: list[PlayedAudio] = field(default_factory=list)
    left_open: int = 0
    """How many figures it drew and did not show."""


_catching: Captured | None = None
"""What belongs to the cell that runs now."""

_COLOURS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@contextlib.contextmanager
def capturing(prefix: str, settings: dict[str, Any] | None = None, *, files: bool = True) -> Iterator[Captured]:
    """Catch printed text, shown figures and played audio while the block runs.

    Args:
        prefix: Goes in front of the ids in the SVGs, so that many fit into one page.
        settings: Matplotlib's settings as the block before left them (empty for the first), which this one begins with;
            it then holds those that this one leaves.
        files: Whether figures are wanted as files; to compare a run, their contents are enough.

    Yields:
        The object that holds everything once the block is left, even by an exception.
    """
    import matplotlib.style

    global _catching
    caught = Captured()
    out, err = io.StringIO(), io.StringIO()

    def show(figure: Figure) -> None:
        caught.figures.append(save_figure(figure, f"{prefix}-{len(caught.figures) + 1}", files=files))

    with matplotlib.rc_context():
        matplotlib.use("module://livedocs.mpl_backend")
        matplotlib.style.use(STYLE)
        settings = {} if settings is None else settings
        parameters = cast("dict[str, Any]", matplotlib.rcParams)
        dict.update(parameters, settings)
        from livedocs import mpl_backend

        before = mpl_backend.listener, _catching
        others = mpl_backend.open_figures()  # of the code that called us
        mpl_backend.listener, _catching = show, caught
        stdin, sys.stdin = sys.stdin, io.StringIO()  # a page has no one who answers: `input()` raises
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _displaying():
                yield caught
        finally:
            mpl_backend.listener, _catching = before
            sys.stdin = stdin
            settings.update(parameters.copy())
            caught.text = _settle(out.getvalue())
            caught.left_open = mpl_backend.close_all_but(others)


def _settle(text: str) -> str:
    """Text as a terminal leaves it, without colours or trailing spaces: a carriage return starts the line again."""
    text = _COLOURS.sub("", text).encode("utf-8", "replace").decode("utf-8")
    lines = [_CONTROL.sub("", line.rstrip("\r").rsplit("\r", 1)[-1]).rstrip() for line in text.split("\n")]
    text = "\n".join(lines).rstrip("\n")
    return text + "\n" if text.strip() else ""


def _display(*things: Any, **_: Any) -> None:
    """In place of `IPython.display.display`; a cell may import it once and call it in later cells."""
    from IPython.display import Audio

    for thing in things:
        if isinstance(thing, Audio) and _catching is not None:
            _catching.audio.append(PlayedAudio(bytes(thing.data), describe_wav(bytes(thing.data))))
        else:
            print(thing)


@contextlib.contextmanager
def _displaying() -> Iterator[None]:
    """Catch `IPython.display.display(Audio(…))`; everything else is printed as in a plain script."""
    from IPython import display as ipython

    original = ipython.display
    ipython.display = _display
    try:
        yield
    finally:
        ipython.display = original


def describe_wav(data: bytes) -> dict[str, Any]:
    """Rate, length and samples of a WAV file."""
    import wave

    with wave.open(io.BytesIO(data)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype=f"<i{file.getsampwidth()}")
        return {"rate": file.getframerate(), "channels": file.getnchannels(), "samples": describe_array(samples)}


def save_figure(figure: Figure, prefix: str, *, files: bool = True) -> ShownFigure:
    """Draw a figure as SVG in the site's colours, or as PNG where that is smaller.

    Args:
        figure: The figure.
        prefix: Goes in front of the ids in the SVG.
        files: False draws it, so that a figure that cannot be drawn still fails, and encodes nothing.
    """
    import matplotlib

    svg, png = io.BytesIO(), io.BytesIO()
    content = describe_figure(figure)
    if not files:
        figure.canvas.draw()
        return ShownFigure("svg", b"", content)
    with matplotlib.rc_context({"svg.hashsalt": "livedocs"}):
        figure.savefig(svg, format="svg", dpi=144, metadata={"Date": None, "Creator": None})
        figure.savefig(png, format="png", dpi=160, facecolor="#ffffff", metadata={"Software": None})
    start = processor_seconds()
    vector = inline_svg(svg.getvalue().decode("utf-8"), prefix).encode("utf-8")
    raster = _optimised(png.getvalue())
    # Pages are sent compressed, and an SVG shrinks by it, so that is the size that counts.
    smaller = len(gzip.compress(vector)) <= len(raster)
    kind, data = ("svg", vector) if smaller else ("png", raster)
    return ShownFigure(kind, data, content, processor_seconds() - start)


def processor_seconds() -> float:
    """What this process and those that it started have computed so far: other programs on the machine do not count."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _optimised(png: bytes) -> bytes:
    """The same picture with a better encoding."""
    out = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(out, "PNG", optimize=True)
    return min(out.getvalue(), png, key=len)


def _embedded_as_webp(match: re.Match[str]) -> str:
    """A picture inside an SVG in the smallest encoding; only large photographs lose anything, and nothing visible."""
    png = base64.b64decode(match[1])
    picture = Image.open(io.BytesIO(png))
    best, kind = png, "png"
    for quality in ({"lossless": True}, {"quality": 92}):
        out = io.BytesIO()
        picture.save(out, "WEBP", method=6, exact=True, **quality)
        if len(out.getvalue()) < len(best) and ("lossless" in quality or len(best) > PHOTOGRAPH):
            best, kind = out.getvalue(), "webp"
    return f"data:image/{kind};base64,{base64.b64encode(best).decode()}"


def _without_second_ids(svg: str) -> str:
    """Matplotlib names a picture by its content, so one that is drawn twice gives two elements the same id."""
    seen: set[str] = set()

    def once(found: re.Match[str]) -> str:
        if found[1] in seen:
            return ""
        seen.add(found[1])
        return found[0]

    return re.sub(r'\sid="([^"]+)"', once, svg)


def inline_svg(svg: str, prefix: str) -> str:
    """An SVG file as a part of an HTML page: no prologue, unique ids, the site's colours, a size that adapts."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)  # it would style the whole page
    svg = re.sub(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)", _embedded_as_webp, svg)
    svg = _without_second_ids(svg)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", svg)
    match = re.search(r'<svg[^>]*?width="([\d.]+)pt"', svg)
    width = float(match.group(1)) * 4 / 3 if match else 700.0
    head, body = svg.split(">", 1)
    view_box = re.search(r'viewBox="[^"]+"', head)
    box = view_box.group(0) if view_box else ""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {box} '
        f'style="max-width: {width:.0f}px; stroke-linejoin: round; stroke-linecap: butt"'
    )
    return themed(f"{head}>{body}").strip() + "\n"


def describe_array(values: Any) -> dict[str, Any]:
    """Shape, range, mean and a sample of an array: enough to tell two apart and to say how they differ."""
    array = np.ma.filled(np.ma.asarray(values).astype(float), np.nan) if np.size(values) else np.zeros(0)
    flat = array.ravel()
    if not flat.size:
        return {"shape": list(array.shape)}
    picked = flat[np.linspace(0, flat.size - 1, min(SAMPLES, flat.size)).round().astype(int)]

    def clean(x: Any) -> float | None:
        return float(f"{x:.5g}") if np.isfinite(x) else None

    return {
        "shape": list(array.shape),
        "min": clean(np.nanmin(flat)) if np.isfinite(flat).any() else None,
        "max": clean(np.nanmax(flat)) if np.isfinite(flat).any() else None,
        "mean": clean(np.nanmean(flat)) if np.isfinite(flat).any() else None,
        "sample": [clean(x) for x in picked],
    }


def describe_figure(figure: Figure) -> dict[str, Any]:
    """What a figure shows: its words, and the data of its lines, bars, points and images.

    Styles are left out: a change of style is a change of the cell's source, which is compared anyway.
    """
    axes = []
    for ax in figure.axes:
        words = [ax.get_title(), ax.get_title(loc="left"), ax.get_xlabel(), ax.get_ylabel()]
        ticks = [label.get_text() for axis in (ax.xaxis, ax.yaxis) for label in axis.get_ticklabels()]
        texts = [text.get_text() for text in ax.texts]
        legend = ax.get_legend()
        if legend is not None:
            texts += [text.get_text() for text in legend.get_texts()]
        axes.append(
            {
                "words": [word for word in words if word],
                "ticks": ticks if ax.axison else [],
                "texts": texts,
                "lines": [describe_array(line.get_xydata()) for line in ax.lines],
                "images": [describe_array(image.get_array()) for image in ax.images],
                "points": [
                    describe_array(offsets)
                    for collection in ax.collections
                    if np.size(offsets := collection.get_offsets())
                ],
                "shapes": describe_array([patch.get_extents().bounds for patch in ax.patches]),
            }
        )
    title = figure.get_suptitle()
    return {"title": title, "size": [float(x) for x in figure.get_size_inches()], "axes": axes}


def freeze_environment() -> None:
    """What varies between machines, fixed in one place. Call it before torch is imported.

    One thread makes sums come in one order; offline, a missing file is an error and not a download.
    """
    import os

    settings = {
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": os.environ.get("HF_HUB_OFFLINE", "1"),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "COLUMNS": "100",
    }
    os.environ.update(settings)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
