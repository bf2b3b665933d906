"""Clean copies of a commit for judging it: only the files, no git directory, nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from workers.git.held import held
from workers.git.program import Git
from workers.git.removal import remove_tree


@contextmanager
def checkout(git: Git, commit: str, home: Path) -> Iterator[Path]:
    """A directory that holds the commit's files until the block ends."""
    place = home / uuid4().hex
    # Whoever prunes may look at it just now.
    with held(_lock(place), wait=True):
        try:
            files = place / "files"
            files.mkdir(parents=True)
            Git(git.git_dir, files, place / "index").run("read-tree", "--reset", "-u", commit)
            yield files
        finally:
            remove_tree(place)


def prune(home: Path) -> None:
    """Remove what processes left that died while they judged."""
    for lock in home.glob("*.lock"):
        with held(lock) as abandoned:
            if abandoned:
                remove_tree(lock.with_suffix(""))


def _lock(place: Path) -> Path:
    return place.with_suffix(".lock")
