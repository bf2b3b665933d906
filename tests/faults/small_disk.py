"""A disk of a few megabytes at some place of a data directory, to be filled and emptied."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import missing

CHUNK = 4096


class SmallDisk:
    """What the tests do to it; other processes write to it as well."""

    def __init__(self, place: Path) -> None:
        self._filler = place / "filler"

    def fill(self) -> None:
        """Until nothing more fits."""
        with self._filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(CHUNK))

    def make_room(self) -> None:
        self._filler.unlink()


@contextlib.contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[SmallDisk]:
    """A file system of its own, in memory; what the directory held before is hidden meanwhile."""
    if os.geteuid() != 0:
        missing("FULL DISK NOT TRIED: only root can mount a small one")
    place.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
    mounted = subprocess.run(mount, capture_output=True, text=True)
    if mounted.returncode != 0:
        missing(f"FULL DISK NOT TRIED: a small one can't be mounted: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(place)
    finally:
        # Detached at once, and gone when the last process has closed its files.
        subprocess.run(["umount", "--lazy", str(place)], check=True)
