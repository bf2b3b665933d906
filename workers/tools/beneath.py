"""Files beneath a directory, reached by relative path, and nothing outside it: by construction.

A path is walked one component at a time from an open directory, never following a link blindly.
Where a link stands in the way its target is walked in the same manner, so it may lead elsewhere in
the directory, not out of it. What is opened in the end is a name within an open directory that was
reached so; renaming things meanwhile can't lead the walk astray.
"""

import os
import re
import stat
import unicodedata
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from conductor_app.ids import new_id
from workers.tools.workplace import ToolFault

MAX_LINKS = 40
MAX_BYTES = 10_000_000
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, opening a named pipe would wait for its other end.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# Also what other file systems take for the same name (git refuses these too).
_GIT = re.compile(r"(\.git|git~[0-9])[ .]*(:.*)?")


@dataclass(frozen=True)
class Spot:
    """A name within an open directory; `path` is where that is, relative to the root."""

    directory: int
    name: str
    path: str


@contextmanager
def spot(root: Path, path: str, *, make_parents: bool = False) -> Iterator[Spot]:
    """Where the path leads beneath the root; what is there, if anything, is not a link.

    Raises ToolFault when the path is refused or leads nowhere.
    """
    opened = [os.open(root, _DIRECTORY)]
    try:
        yield _walk(opened, path, make_parents)
    except FileNotFoundError as error:
        raise ToolFault(f"There is no {path!r}; list_dir shows what there is.") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ToolFault(f"{path!r} can't be used: {reason}.") from error
    finally:
        for directory in opened:
            os.close(directory)


def _walk(opened: list[int], path: str, make_parents: bool) -> Spot:
    names: list[str] = []
    parts = deque(_parts(path))
    links = 0
    while parts:
        part = parts.popleft()
        if part == "..":
            # Only links get here: in the path itself _parts refuses it.
            if not names:
                raise ToolFault(f"{path!r} leads out of the worktree through a link.")
            os.close(opened.pop())
            names.pop()
            continue
        if _is_git(part):
            raise ToolFault(f"{path!r} is git's own; agents have no access to .git.")
        target = _link_target(opened[-1], part)
        if target is not None:
            links += 1
            if links > MAX_LINKS or target.startswith("/"):
                raise ToolFault(f"{path!r} leads out of the worktree or in circles through a link.")
            parts.extendleft(
                reversed([each for each in target.split("/") if each not in ("", ".")])
            )
            continue
        if not parts:
            return Spot(opened[-1], part, "/".join([*names, part]))
        opened.append(_enter(opened[-1], part, make_parents))
        names.append(part)
    return Spot(opened[-1], ".", "/".join(names) or ".")


def _parts(path: str) -> list[str]:
    if path.startswith("/"):
        raise ToolFault(f"{path!r} is absolute; give a path relative to the root of the worktree.")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ToolFault(
            f"{path!r} contains '..'; give a path relative to the root of the worktree."
        )
    return parts


def _is_git(name: str) -> bool:
    visible = "".join(letter for letter in name if unicodedata.category(letter) != "Cf")
    return _GIT.fullmatch(visible.casefold()) is not None


def _link_target(directory: int, name: str) -> str | None:
    with suppress(FileNotFoundError):
        if stat.S_ISLNK(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
            return os.readlink(name, dir_fd=directory)
    return None


def _enter(directory: int, name: str, make: bool) -> int:
    if make:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=directory)
    return os.open(name, _DIRECTORY, dir_fd=directory)


def read_bytes(root: Path, path: str) -> bytes:
    """The content of a regular file of at most 10 MB; raises ToolFault."""
    with spot(root, path) as place:
        handle = os.open(place.name, _READ, dir_fd=place.directory)
        with open(handle, "rb") as file:
            status = os.fstat(handle)
            if stat.S_ISDIR(status.st_mode):
                raise ToolFault(f"{path!r} is a directory; use list_dir.")
            if not stat.S_ISREG(status.st_mode):
                raise ToolFault(f"{path!r} is not a regular file.")
            if status.st_nlink > 1:
                # The same file may have a name outside the worktree; nothing tells whether it does.
                raise ToolFault(
                    f"{path!r} is a hard link, shared with another place; copy it first."
                )
            if status.st_size > MAX_BYTES:
                raise ToolFault(
                    f"{path!r} has {status.st_size:,} bytes; use search or run_command."
                )
            return file.read(MAX_BYTES)


def write_bytes(root: Path, path: str, content: bytes) -> bool:
    """Replace or create the file in one step; whether it is new. Raises ToolFault.

    A new file takes the place of the old one, so what a hard link shares is never written to.
    """
    with spot(root, path, make_parents=True) as place:
        before = _status(place)
        if place.name == "." or (before is not None and not stat.S_ISREG(before.st_mode)):
            raise ToolFault(f"{path!r} is not a regular file; choose another path.")
        temporary = f".{new_id()}.tmp"
        handle = os.open(temporary, _CREATE, 0o666, dir_fd=place.directory)
        try:
            with open(handle, "wb") as file:
                file.write(content)
                if before is not None:
                    os.fchmod(handle, stat.S_IMODE(before.st_mode) & 0o777)
            os.replace(
                temporary, place.name, src_dir_fd=place.directory, dst_dir_fd=place.directory
            )
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=place.directory)
            raise
        return before is None


def list_entries(root: Path, path: str) -> list[str]:
    """The directory's entries, sorted, without .git; raises ToolFault."""
    with spot(root, path) as place:
        directory = os.open(place.name, _DIRECTORY, dir_fd=place.directory)
        try:
            names = sorted(name for name in os.listdir(directory) if not _is_git(name))
            return [_shown(directory, name) for name in names]
        finally:
            os.close(directory)


def _status(place: Spot) -> os.stat_result | None:
    try:
        return os.stat(place.name, dir_fd=place.directory, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _shown(directory: int, name: str) -> str:
    target = _link_target(directory, name)
    if target is not None:
        return f"{name} -> {target}"
    mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
    return f"{name}/" if stat.S_ISDIR(mode) else name
