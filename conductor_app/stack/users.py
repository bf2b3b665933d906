"""Who uses the stack of a data directory: a file for each run, locked for as long as it lives.

The lock ends with its process, however that ends, so a file without one tells of nobody.
"""

import fcntl
from pathlib import Path
from typing import Self

from conductor_app.ids import new_id
from conductor_app.places import Places
from conductor_app.stack.exclusive import alone, try_lock


class User:
    """A run of this process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def leave(self) -> None:
        """Use the stack no more; once more changes nothing."""
        self.path.unlink(missing_ok=True)
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()


def register(home: Path) -> User:
    """A user that keeps the stack from being stopped by others, also one that is yet to start."""
    folder = _folder(home)
    # Whoever stops the stack decides first, then there is one to be started anew, or none at all.
    with alone(home):
        folder.mkdir(mode=0o700, exist_ok=True)
        for path in folder.iterdir():
            if not _lives(path):
                path.unlink(missing_ok=True)
        return User(folder / new_id())


def living(home: Path, besides: User | None = None) -> list[Path]:
    """The files of the users that live."""
    own = besides.path if besides else None
    return [path for path in sorted(_folder(home).glob("*")) if path != own and _lives(path)]


def wait_until_unused(home: Path) -> None:
    """Return when no user lives any more."""
    while users := living(home):
        _lives(users[0], wait=True)


def _lives(path: Path, *, wait: bool = False) -> bool:
    try:
        with path.open() as file:
            if wait:
                fcntl.flock(file, fcntl.LOCK_SH)
            # Shared: two that ask at once do not take each other for a user.
            return not try_lock(file.fileno(), fcntl.LOCK_SH)
    except FileNotFoundError:
        return False


def _folder(home: Path) -> Path:
    return Places(home).run / "users"
