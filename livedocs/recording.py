"""`make record`: run snippets and write what they gave."""

from __future__ import annotations

import shutil
from pathlib import Path

from tqdm import tqdm

from livedocs import diagram, library, talk
from livedocs.errors import DocsError
from livedocs.guides import Guides, verify_all
from livedocs.notebooks import downloads
from livedocs.project import Project, load_project
from livedocs.published import workplace
from livedocs.records import Records, replacing
from livedocs.runner import CellError, CellRun, loaded_versions, run_snippet
from livedocs.snippets import Snippet

GUIDE = "guides/"
"""What the name of a guide begins with, where a snippet could be meant too."""


def choose(project: Project, only: str | None) -> list[Snippet]:
    """The snippets to work on.

    Args:
        project: The site.
        only: One snippet's name, or None for all.

    Raises:
        DocsError: There is no snippet of that name.
    """
    if only is None:
        return list(project.snippets.values())
    if only not in project.snippets:
        raise DocsError(f"ONLY={only}: there is no snippets/{only}.py; known: {', '.join(project.snippets)}")
    return [project.snippets[only]]


def run_profile(
    snippet: Snippet, root: Path, progress: tqdm[None] | None = None, *, from_hub: bool = False, files: bool = True
) -> list[CellRun]:
    """Run a snippet in its profile: compact in the project's root, full size in an empty folder.

    Args:
        snippet: The snippet, in the profile to run.
        root: The project's root.
        progress: Advanced by one for each cell.
        from_hub: Full size only: load the hub's weights, and run the cells about predictions too.
        files: Whether figures are wanted as files.

    Raises:
        CellError: A cell raised.
    """
    runs = []

    def collect(folder: Path, skip_trained: bool) -> None:
        for run in run_snippet(snippet, folder, skip_trained=skip_trained, files=files):
            runs.append(run)
            if progress is not None:
                progress.set_postfix_str(f"{snippet.name} ({snippet.profile}): {run.name}")
                progress.update()

    if snippet.profile == "compact":
        collect(root, False)
    else:
        with workplace(snippet, root, from_hub=from_hub) as folder:
            collect(Path(folder), not from_hub)
    return runs


def record(root: Path, only: str | None = None) -> None:
    """Run snippets in all their profiles and replace their records.

    Nothing of a snippet is replaced before all of its cells have run.

    Raises:
        DocsError: A snippet is malformed or unknown, or one of its cells raised.
    """
    if only is not None and only.startswith(GUIDE):
        return Guides(root).record(only.removeprefix(GUIDE))
    project = load_project(root)
    snippets = choose(project, only)
    records = Records(project.outputs, root)
    versions = loaded_versions()
    steps = sum(
        sum(profile == "compact" or not cell.trained for cell in snippet.cells)
        for snippet in snippets
        for profile in snippet.profiles
    )
    with tqdm(total=steps, unit="cell", dynamic_ncols=True) as progress:
        for snippet in snippets:
            variants = [snippet.in_profile(profile) for profile in snippet.profiles]
            results = [run_profile(variant, root, progress) for variant in variants]
            for variant, runs in zip(variants, results, strict=True):
                records.write(variant, runs, versions, library.look_up(library.uses(variant)))
            write_downloads(project, snippet)
    for spec in sorted((root / "diagrams").glob("*.toml")):
        if only is None or spec.stem == only:
            record_diagram(spec, root)
    if only is None:
        _remove_orphans(project)
        Guides(root).record()
    if (root / talk.SOURCE).exists():
        try:
            talk.write(root)
        except DocsError as error:  # of a record that was not asked for, perhaps: what was recorded here is good
            print(f"{talk.TARGET} was left as it was: {error}")
    return None


def write_downloads(project: Project, snippet: Snippet) -> None:
    """Put the snippet beside its outputs, as a script and as notebooks, and remove what else lies there.

    That is the record of a profile that is gone, and what a run left that was killed.
    """
    folder = project.outputs / snippet.name
    folder.mkdir(parents=True, exist_ok=True)
    files = downloads(snippet)
    for path in folder.iterdir():
        if path.is_dir() and path.name not in snippet.profiles:
            shutil.rmtree(path)
        elif path.is_file() and path.name not in files:
            path.unlink()
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")


def record_diagram(path: Path, root: Path) -> None:
    """Measure and draw one architecture diagram in both sizes.

    Raises:
        DocsError: The spec is malformed or names a module that the model lacks.
    """
    spec = diagram.load_spec(path)
    measured = {"compact": diagram.measure_compact(spec, root / spec.compact)}
    if spec.published:
        measured["full-size"] = diagram.measure_published(spec, root / "published" / spec.published)
    drawings = {profile: diagram.draw(spec, sizes) for profile, sizes in measured.items()}
    if len(spec.column) > 1:
        # Both layouts are in the page; the style sheet shows the one that fits the screen.
        for profile, sizes in measured.items():
            drawings[profile] += diagram.draw(spec, sizes, narrow=True)
    with replacing(root / "docs" / "outputs" / "diagrams" / path.stem) as folder:
        for profile, svg in drawings.items():
            (folder / f"{profile}.svg").write_text(svg, "utf-8")


def _remove_orphans(project: Project) -> None:
    """Records whose snippet is gone would be published for ever."""
    for folder in project.outputs.iterdir() if project.outputs.exists() else []:
        if folder.is_dir() and folder.name not in project.snippets and folder.name not in {"diagrams", "guides"}:
            shutil.rmtree(folder)


def verify_full_size(root: Path, only: str | None = None, *, from_hub: bool = False) -> list[str]:
    """Run the full-size profile of snippets and compare it with the records.

    Args:
        root: The project's root.
        only: One snippet's name, or None for all.
        from_hub: Use the hub's weights and run the cells about predictions too; outputs are then printed and not
            compared, because the records hold what random weights gave.

    Returns:
        A line for each snippet: how many cells passed.

    Raises:
        DocsError: A cell raised, or gave something else than the record holds.
    """
    if only is not None and only.startswith(GUIDE):
        return verify_all(root, only.removeprefix(GUIDE), from_hub=from_hub)
    project = load_project(root)
    records = Records(project.outputs, root)
    lines = []
    for snippet in choose(project, only):
        if not snippet.has_full_size:
            continue
        variant = snippet.in_profile("full-size")
        with tqdm(total=len(variant.cells), unit="cell", dynamic_ncols=True) as progress:
            try:
                runs = run_profile(variant, root, progress, from_hub=from_hub, files=False)
            except CellError as error:
                hint = (
                    "\nHUB=1 loads weights from the hub, which needs a network; without it the same cells run offline"
                )
                raise DocsError(f"{error}{hint if from_hub else ''}") from None
        for run in runs:
            if from_hub:
                print(f"# %% {run.name}\n{run.output.text}")
            else:
                records.compare(variant, run)
        lines.append(f"{variant.file}: {len(runs)} of {len(variant.cells)} cells passed in full size")
    if only is None:
        lines += verify_all(root, None, from_hub=from_hub)
    return lines
