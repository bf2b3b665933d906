"""Taking turns at a git directory, across threads and processes, where git itself can't share."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def turn(git_dir: Path) -> Iterator[None]:
    """Alone with the list of worktrees until the block ends; the kernel ends a dead one's turn."""
    with (git_dir / "conductor.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
