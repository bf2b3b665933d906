"""Removing what an agent may have made hard to remove."""

import errno
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_DIRECTORY = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: Path) -> None:
    """Removes the directory and all in it; directories without permissions get them back first.

    Links are removed, never followed. A path that does not exist is fine. No depth is too deep:
    nothing here calls itself, and only one directory of a branch is open at a time.
    """
    if not path.exists():
        return
    _empty(path)
    try:
        path.rmdir()
    except PermissionError:
        path.parent.chmod(stat.S_IRWXU)
        path.rmdir()


@dataclass(frozen=True)
class _Place:
    """A directory on the way down: its name, which one it is, and which of its own are left."""

    name: str
    identity: tuple[int, int]
    waiting: list[str]


def _empty(path: Path) -> None:
    """Down into each directory, and up again by `..` when it is empty."""
    handle = _open(str(path))
    try:
        way = [_cleared(handle, path.name)]
        while way[-1].waiting or len(way) > 1:
            if way[-1].waiting:
                name = way[-1].waiting.pop()
                try:
                    inner = _open(name, handle)
                except FileNotFoundError:
                    continue
                handle = _instead(handle, inner)
                way.append(_cleared(handle, name))
            else:
                name = way.pop().name
                handle = _instead(handle, _above(handle, way[-1]))
                with suppress(FileNotFoundError):
                    os.rmdir(name, dir_fd=handle)
    finally:
        os.close(handle)


def _instead(old: int, new: int) -> int:
    os.close(old)
    return new


def _above(handle: int, expected: _Place) -> int:
    """The directory that the open one is in. Raises OSError when that is not the one expected."""
    above = os.open("..", os.O_RDONLY | _DIRECTORY, dir_fd=handle)
    if _identity(above) != expected.identity:
        os.close(above)
        raise OSError(errno.ESTALE, "moved away while it was removed", expected.name)
    return above


def _cleared(handle: int, name: str) -> _Place:
    """The open directory, once all is removed from it that is no directory itself."""
    if os.fstat(handle).st_mode & stat.S_IRWXU != stat.S_IRWXU:
        # Somebody else's may be as good as it is.
        with suppress(PermissionError):
            os.fchmod(handle, stat.S_IRWXU)
    with os.scandir(handle) as entries:
        found = [(each.name, each.is_dir(follow_symlinks=False)) for each in entries]
    for each, is_directory in found:
        if not is_directory:
            with suppress(FileNotFoundError):
                os.unlink(each, dir_fd=handle)
    directories = [each for each, is_directory in found if is_directory]
    return _Place(name, _identity(handle), directories)


def _identity(handle: int) -> tuple[int, int]:
    status = os.fstat(handle)
    return status.st_dev, status.st_ino


def _open(name: str, directory: int | None = None) -> int:
    """The directory of that name, itself never a link."""
    try:
        return os.open(name, os.O_RDONLY | _DIRECTORY, dir_fd=directory)
    except PermissionError:
        # Opened so, it needs no permissions, and can't become another before it has them.
        place = os.open(name, os.O_PATH | _DIRECTORY, dir_fd=directory)
        try:
            os.chmod(f"/proc/self/fd/{place}", stat.S_IRWXU)
        finally:
            os.close(place)
        return os.open(name, os.O_RDONLY | _DIRECTORY, dir_fd=directory)
