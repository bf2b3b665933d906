"""Clean copies of a commit for judging it: only the files, no git directory, nothing else."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from workers.git.program import Git
from workers.git.removal import remove_tree


@contextmanager
def checkout(git: Git, commit: str, home: Path) -> Iterator[Path]:
    """A directory that holds the commit's files until the block ends.

    A file beside it is locked while this process lives, so that `prune` can tell.
    """
    home.mkdir(parents=True, exist_ok=True)
    place = home / uuid4().hex
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            files = place / "files"
            files.mkdir(parents=True)
            Git(git.git_dir, files, place / "index").run("read-tree", "--reset", "-u", commit)
            yield files
        finally:
            _remove(place)


def prune(home: Path) -> None:
    """Remove what processes left that died while they judged."""
    for path in home.glob("*.lock"):
        with path.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            _remove(path.with_suffix(""))


def _remove(place: Path) -> None:
    remove_tree(place)
    place.with_suffix(".lock").unlink(missing_ok=True)
