"""`make previews`: the picture of each page that is shown where its address is shared.

A preview has the page's title, the name of the site, and the card that stands for the page on the home page. Chromium draws it
in the site's own style. Only a site that knows its address can name its pictures, so `make build SITE_URL=…` draws them first
and other builds need no browser. Each picture holds a digest of what it was drawn from: what is current is not drawn again.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

from livedocs.errors import DocsError
from livedocs.navigation import Site, read_site
from livedocs.palette import NEUTRALS
from livedocs.plain import front_matter

FOLDER = Path("docs/assets/previews")
"""Where the pictures lie, each under the name of its page."""

SIZE = (1200, 630)
"""Width and height, as those who show such pictures ask for."""

_DIGEST = "livedocs"
_COLOURS = 128
_TITLE = re.compile(r"^# (.+?)\s*(?:\{[^}]*\})?\s*$", re.MULTILINE)
_CARD = re.compile(r"!\[[^\]]*\]\((?P<file>[^)\s]+\.(?:svg|png|webp))\)")
_LINK = re.compile(r"\[[^\]]*\]\((?P<page>[^)\s#]+\.(?:md|ipynb))[^)\s]*\)")


@dataclass(frozen=True)
class Preview:
    """What a preview shows.

    Attributes:
        page: The page, such as `guides/index.md`.
        title: Its title.
        section: The section of the navigation in which it stands.
        card: The picture that stands for it on the home page, or None.
    """

    page: str
    title: str
    section: str
    card: Path | None

    @property
    def file(self) -> Path:
        """The picture's file, in the project's root."""
        return FOLDER / Path(self.page).with_suffix(".png")


def previews(root: Path) -> Iterator[Preview]:
    """The previews that a project must have, one for each page of the navigation."""
    docs = root / "docs"
    pictures = _cards(docs)
    for entry in read_site(root, "").entries:
        path = docs / entry.file
        if path.suffix == ".ipynb":
            match = _TITLE.search("".join(path.read_text("utf-8").replace('\\n",', "\n").replace('"', "")))
            title = match[1].strip() if match else path.stem
        else:
            match = _TITLE.search(path.read_text("utf-8"))
            title = front_matter(path).get("title") or (match[1] if match else path.stem)
        yield Preview(entry.file, title, entry.section, pictures.get(entry.file))


def _cards(docs: Path) -> dict[str, Path]:
    """The pictures of the home page, by the page to which their list item leads."""
    home = docs / "index.md"
    found: dict[str, Path] = {}
    page = None
    for line in home.read_text("utf-8").split("\n") if home.exists() else []:
        if line.startswith("- ") and (link := _LINK.search(line)):
            page = link["page"]
        elif line and not line.startswith(" "):
            page = None
        if page and page not in found and (card := _CARD.search(line)):
            found[page] = docs / card["file"]
    return found


def digest(root: Path, preview: Preview, site: Site) -> str:
    """Fingerprint of everything that a preview is drawn from."""
    parts = [_page(root, preview, site), str(SIZE), str(_COLOURS)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def draw(root: Path, chromium: str | None = None) -> str:
    """Draw the previews that are missing or stale, and remove those that belong to no page.

    Args:
        root: The project's root.
        chromium: The browser; found by itself where None.

    Returns:
        A line that says what was done.

    Raises:
        DocsError: There is no Chromium.
    """
    from PIL import Image, PngImagePlugin
    from playwright.sync_api import sync_playwright

    browser_path = chromium or shutil.which("chromium")
    if browser_path is None:
        raise DocsError("previews are drawn by Chromium: install the Debian package 'chromium'")
    site = read_site(root, "")
    wanted = {preview.file: preview for preview in previews(root)}
    stale = [preview for preview in wanted.values() if not _is_fresh(root, preview, site)]
    if stale:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=browser_path, args=[*arguments, "--disable-sync", "--no-first-run"]
            )
            tab = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]}, color_scheme="light")
            for preview in stale:
                tab.set_content(_page(root, preview, site))
                tab.evaluate("document.fonts.ready")
                image = Image.open(io.BytesIO(tab.screenshot(type="png"))).convert("RGB")
                image = image.quantize(_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
                information = PngImagePlugin.PngInfo()
                information.add_text(_DIGEST, digest(root, preview, site))
                target = root / preview.file
                target.parent.mkdir(parents=True, exist_ok=True)
                part = target.with_name(f".{target.name}.part")
                image.save(part, "PNG", optimize=True, pnginfo=information)
                os.replace(part, target)
            browser.close()
    gone = [file for file in sorted((root / FOLDER).rglob("*.png")) if file.relative_to(root) not in wanted]
    for file in gone:
        file.unlink()
    return f"{len(wanted)} previews: {len(stale)} drawn, {len(gone)} removed"


def _is_fresh(root: Path, preview: Preview, site: Site) -> bool:
    from PIL import Image

    if not (root / preview.file).exists():
        return False
    with Image.open(root / preview.file) as image:
        return bool(image.info.get(_DIGEST) == digest(root, preview, site))


def _data(path: Path) -> str:
    kind = {".svg": "image/svg+xml", ".png": "image/png", ".webp": "image/webp", ".woff2": "font/woff2"}[path.suffix]
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _page(root: Path, preview: Preview, site: Site) -> str:
    """The picture as a page of HTML that holds everything it needs."""
    colours = {name: pair[0] for name, pair in NEUTRALS.items()}
    fonts = root / "docs/assets/fonts"
    faces = "".join(
        f"@font-face {{ font-family: {name}; src: url({_data(fonts / file)}) }}"
        for name, file in (
            ("Title", "ibm-plex-serif-latin-600-normal.woff2"),
            ("Text", "ibm-plex-sans-latin-400-normal.woff2"),
        )
        if (fonts / file).exists()
    )
    logo = root / "docs/assets/logo.svg"
    mark = f'<img class="logo" src="{_data(logo)}" alt="">' if logo.exists() else ""
    card = f'<div class="card"><img src="{_data(preview.card)}" alt=""></div>' if preview.card else ""
    home = preview.page == "index.md"
    title = escape(preview.title)
    above = "" if home else escape(preview.section)
    below = escape(site.description) if home else escape(site.name)
    size = 84 if len(preview.title) <= 26 else 68 if len(preview.title) <= 40 else 58
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><style>
{faces}
* {{ box-sizing: border-box; margin: 0 }}
body {{ width: {SIZE[0]}px; height: {SIZE[1]}px; padding: 72px 80px 64px; display: flex; flex-direction: column;
  background: {colours["paper"]}; color: {colours["fg"]}; border-top: 14px solid {colours["accent"]};
  font: 32px/1.35 Text, sans-serif }}
.section {{ color: {colours["accent"]}; font-size: 30px; min-height: 42px }}
h1 {{ font: 600 {size}px/1.12 Title, serif; margin-top: 10px; text-wrap: balance }}
.card {{ flex: 1; min-height: 0; margin: 30px 0 26px; display: flex; align-items: center }}
.card img {{ width: 100%; max-height: 100%; object-fit: contain; object-position: left center }}
.below {{ margin-top: auto; color: {colours["fg-soft"]}; display: flex; align-items: center; gap: 22px }}
.logo {{ width: 54px; height: 54px; flex: none }}
</style><body><div class="section">{above}</div><h1>{title}</h1>{card}<div class="below">{mark}<span>{below}</span></div>"""
