"""`make bundle`: one archive with the checkpoints and sample inputs, so that copied cells run in an empty folder."""

from __future__ import annotations

import zipfile
from pathlib import Path

from livedocs import catalogue
from livedocs.errors import DocsError
from livedocs.navigation import read_site
from livedocs.project import load_project

BUNDLE = "bundle.zip"
"""The archive, in the project's root."""

_ALSO = ("LICENSE", "LICENSE-docs", "requirements.txt")
_MOMENT = (1980, 1, 1, 0, 0, 0)  # the same files give the same archive, whenever it is made

_README = """\
# {name}: checkpoints and sample inputs

What the code of the site's compact profile reads. Unpack this archive in an empty folder, install the packages, and cells
that you copy from the site run there, and so do its scripts and notebooks:

    python3 -m venv .venv
    .venv/bin/pip install --no-deps -r requirements.txt
    .venv/bin/python

`requirements.txt` holds everything that the site needs, pinned. The cells need less of it: torch, transformers and what they
import by name.

checkpoints/    {count} trained checkpoints; the README.md in each folder is its card
docs/assets/    the inputs: pictures, recordings and texts

Code and weights: Apache License 2.0 (LICENSE). Inputs: CC BY 4.0 (LICENSE-docs), recordings as their cards say.
"""


def contents(root: Path) -> dict[str, bytes]:
    """What the archive holds, by the name in it.

    Args:
        root: The project's root.
    """
    project = load_project(root)
    weights, samples = catalogue.packed(project)
    also = [root / name for name in _ALSO if (root / name).exists()]
    held = {path.relative_to(root).as_posix(): path.read_bytes() for path in (*weights, *samples, *also)}
    readme = _README.format(name=read_site(root).name, count=len(catalogue.checkpoints(project)))
    return {"README.md": readme.encode()} | held


def bundle(root: Path, target: Path | None = None) -> Path:
    """Write the archive. The same files always give the same archive.

    Args:
        root: The project's root.
        target: Where to; `bundle.zip` in the root by default.

    Returns:
        The archive.

    Raises:
        DocsError: There is no checkpoint to pack.
    """
    target = target or root / BUNDLE
    held = contents(root)
    if not any(name.startswith("checkpoints/") for name in held):
        raise DocsError("there are no checkpoints to pack; train one with `make train`")
    part = target.with_name(f".{target.name}.part")
    try:
        with zipfile.ZipFile(part, "w") as archive:
            for name, data in held.items():
                info = zipfile.ZipInfo(name, _MOMENT)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.external_attr = 0o644 << 16
                archive.writestr(info, data)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target
