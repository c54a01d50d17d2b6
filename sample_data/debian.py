"""Debian's archive, through the apt sources configured here: its lists of packages, and packages unpacked."""

from __future__ import annotations

import subprocess
from pathlib import Path


class Apt:
    """Runs apt with lists and archives of its own, so that the system's stay as they are.

    Args:
        folder: Where it keeps them.
        failure: What to raise where apt is missing or fails.
    """

    def __init__(self, folder: Path, failure: type[OSError]) -> None:
        self.folder, self.failure = folder, failure
        self.options = ["-qq"]
        for option in (
            f"Dir::State={folder / 'state'}",
            f"Dir::Cache={folder / 'cache'}",
            "Dir::State::status=/dev/null",
            "Acquire::Languages=en",
            "Acquire::GzipIndexes=false",
            "APT::Sandbox::User=",
        ):
            self.options += ["-o", option]
        for part in ("state/lists/partial", "cache/archives/partial"):
            (folder / part).mkdir(parents=True)
        self.run("update")

    def run(self, *arguments: str, cwd: Path | None = None) -> str:
        """What `apt-get` prints; the failure where it is missing or fails."""
        command = ["apt-get", *self.options, *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
        except FileNotFoundError:
            raise self.failure(
                "this comes from Debian's archive, but there is no apt-get here: run this on a Debian system, or "
                "copy the folder .cache from one where it ran"
            ) from None
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise self.failure(f"apt-get {arguments[0]} failed ({last}): are Debian's sources configured and in reach?")
        return done.stdout

    def lists(self, created_by: str) -> list[Path]:
        """Debian's own lists of a kind, "Packages" or "Translations"; the release comes first."""
        wanted = (f"Created-By: {created_by}", "Origin: Debian", "Label: Debian")
        found = self.run("indextargets", "--format", "$(CODENAME) $(FILENAME)", *wanted)
        lines = sorted(line.split(" ", 1) for line in found.splitlines())
        paths = [Path(path) for _, path in lines if Path(path).is_file()]
        if not paths:
            raise self.failure(
                "apt-get update brought no package lists of Debian: are its sources configured and in reach?"
            )
        return paths

    def unpacked(self, package: str) -> Path:
        """The folder into which a package of the archive was unpacked."""
        place = self.folder / "packages" / package
        place.mkdir(parents=True)
        self.run("download", package, cwd=place)
        (archive,) = place.glob("*.deb")
        try:
            subprocess.run(["dpkg", "-x", str(archive), str(place / "x")], check=True, capture_output=True)
        except (FileNotFoundError, subprocess.CalledProcessError) as error:
            raise self.failure(f"dpkg could not unpack {archive.name}: {error}") from None
        return place / "x"
