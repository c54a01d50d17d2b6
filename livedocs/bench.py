"""`make bench`: what verification and building cost, beside the pure compute time of the same cells.

Everything is measured in a copy of the project, so that neither its records nor its caches are touched.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from tqdm import tqdm

from livedocs.capture import freeze_environment
from livedocs.errors import DocsError
from livedocs.project import load_project
from livedocs.recording import run_profile
from livedocs.runner import loaded_versions

_COPIED = (
    *("mkdocs.yml", "pyproject.toml", "docs", "snippets", "guides", "checkpoints", "published", "diagrams"),
    *("livedocs", "sample_data", "training", "overrides"),
)


@dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        wall: Seconds by the clock.
        cpu: Seconds of processor time, of the command and all its children.
        memory: Largest resident size of one process, in MiB.
    """

    wall: float
    cpu: float
    memory: float


def measure(command: list[str], folder: Path, **environment: str) -> Cost:
    """Run a command once and measure it.

    Raises:
        DocsError: It failed; the message has the end of what it printed.
    """
    settings = {key: value for key, value in os.environ.items() if key != "CI"} | environment
    with tempfile.TemporaryFile() as log:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=settings, stdout=log, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            tail = log.read().decode(errors="replace")[-2000:]
            raise DocsError(f"`{' '.join(command)}` failed, so there is nothing to measure:\n{tail}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def pure_compute(root: Path) -> Cost:
    """Run all cells twice in this process and measure the second time, when nothing is left to import or to warm up."""
    import resource

    snippets = list(load_project(root).snippets.values())
    seconds = spent = 0.0
    for _ in range(2):
        cpu = time.process_time()
        seconds = sum(run.seconds for snippet in snippets for run in run_profile(snippet, root, files=False))
        spent = time.process_time() - cpu
    return Cost(seconds, spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def bench(root: Path, runs: int = 1) -> None:
    """Measure, print the table and write it to `docs/outputs/bench.txt`.

    Args:
        root: The project.
        runs: How often each command is measured; the table shows medians.

    Raises:
        DocsError: A command failed, or there is nothing to measure.
    """
    if runs < 1:
        raise DocsError(f"--runs is {runs}; measure at least once")
    python = sys.executable
    verify = [python, "-m", "pytest", "docs", "-q", "-p", "no:cacheprovider"]
    build = [python, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", ".cache/bench-site"]
    imports = [
        python,
        "-c",
        "import matplotlib.pyplot, transformers; transformers.ViTModel, transformers.AutoImageProcessor",
    ]
    pure = [python, "-m", "livedocs.bench"]
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        copy = Path(name)
        for part in _COPIED:
            source = root / part
            if source.is_dir():
                shutil.copytree(source, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                shutil.copy(source, copy / part)
        cache = copy / ".cache" / "verified"
        edited = max(load_project(root).snippets.values(), key=lambda snippet: len(snippet.cells))
        costs: dict[str, list[Cost]] = {}

        def take(what: str, command: list[str]) -> None:
            costs.setdefault(what, []).append(measure(command, copy))
            progress.update()

        def take_pure() -> None:
            done = subprocess.run(pure, cwd=copy, capture_output=True, text=True, check=False)
            if done.returncode:
                raise DocsError(f"the cells failed, so there is nothing to measure:\n{done.stderr[-2000:]}")
            costs.setdefault("pure", []).append(Cost(**json.loads(done.stdout.splitlines()[-1])))
            progress.update()

        with tqdm(total=6 * runs, unit="run") as progress:
            for number in range(runs):
                progress.set_postfix_str("imports")
                take("imports", imports)
                progress.set_postfix_str("pure compute")
                take_pure()
                shutil.rmtree(cache, ignore_errors=True)
                progress.set_postfix_str("cold")
                take("cold", verify)
                progress.set_postfix_str("no change")
                take("unchanged", verify)
                progress.set_postfix_str(f"one edited cell of {edited.name}")
                script = copy / "snippets" / edited.path.name
                script.write_text(script.read_text("utf-8").rstrip("\n") + f"\n# edit {number}\n", "utf-8")
                measure([python, "-m", "livedocs", "record", "--only", edited.name], copy)
                take("edited", verify)
                progress.set_postfix_str("build")
                take("build", build)
    text = table(costs, edited.name)
    target = root / "docs" / "outputs" / "bench.txt"
    temporary = target.with_name(".bench.tmp")
    temporary.write_text(text, "utf-8")
    os.replace(temporary, target)
    print(text)


def table(costs: dict[str, list[Cost]], edited: str) -> str:
    """The measurements as Markdown."""
    rows = (
        ("pure", "all cells, in one warm process"),
        ("imports", "import torch, transformers and Matplotlib, in a fresh process"),
        ("cold", "verify all pages, cold"),
        ("unchanged", "verify all pages, nothing changed"),
        ("edited", f"verify all pages, one cell of `{edited}` edited"),
        ("build", "build the site"),
    )
    base, cold, imports = (statistics.median(cost.wall for cost in costs[key]) for key in ("pure", "cold", "imports"))
    lines = [
        "| what | seconds | CPU seconds | times pure compute | peak memory |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for key, name in rows:
        wall, cpu, memory = (
            statistics.median(getattr(cost, part) for cost in costs[key]) for part in ("wall", "cpu", "memory")
        )
        ratio = "" if key in {"imports", "build"} else f"{wall / base:.2f}"
        lines.append(f"| {name} | {wall:.1f} | {cpu:.1f} | {ratio} | {memory:,.0f} MiB |")
    versions = loaded_versions()
    runs = len(costs["pure"])
    lines += [
        "",
        f"{'Measured once' if runs == 1 else f'Medians of {runs} runs'} on {os.cpu_count()} cores ({platform.machine()}), one worker, on "
        f"{date.today().isoformat()}, with Python {versions['python']}, torch {versions['torch']} and transformers "
        f"{versions['transformers']}. A cold verification includes the imports; without them it takes "
        f"{(cold - imports) / base:.2f} times the pure compute time.",
    ]
    return "\n".join(lines) + "\n"


def _main() -> None:
    """Measure the pure compute time in a process of its own."""
    freeze_environment()
    print(json.dumps(asdict(pure_compute(Path.cwd()))))


if __name__ == "__main__":
    _main()
