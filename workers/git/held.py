"""Lock files that say who still lives: the kernel frees them when their process dies, however."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def held(path: Path, wait: bool = False) -> Iterator[bool]:
    """Hold the lock file until the block ends, then remove it; False when a living one has it.

    With `wait` it is waited for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = _locked(path, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    if file is None:
        yield False
        return
    with file:
        try:
            yield True
        finally:
            path.unlink(missing_ok=True)


def _locked(path: Path, how: int) -> IO[str] | None:
    """The file under lock: the one at the path, not one that its last holder has removed."""
    while True:
        file = path.open("w")
        try:
            fcntl.flock(file, how)
        except BlockingIOError:
            file.close()
            return None
        if path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno())):
            return file
        file.close()
