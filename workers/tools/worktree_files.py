"""Reads, replaces and lists what lies beneath the worktree."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from conductor_app.ids import new_id
from workers.tools.beneath import DIRECTORY, Spot, is_git, link_target, spot
from workers.tools.workplace import ToolFault

MAX_BYTES = 10_000_000
# Without O_NONBLOCK, opening a named pipe would wait for its other end.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def read_bytes(root: Path, path: str) -> bytes:
    """The content of a regular file of at most 10 MB; raises ToolFault."""
    with spot(root, path) as place:
        handle = os.open(place.name, _READ, dir_fd=place.directory)
        try:
            if reason := _unreadable(os.fstat(handle)):
                raise ToolFault(f"{path!r} {reason}.")
            with open(handle, "rb", closefd=False) as file:
                return file.read(MAX_BYTES)
        finally:
            os.close(handle)


def _unreadable(status: os.stat_result) -> str | None:
    if stat.S_ISDIR(status.st_mode):
        return "is a directory; use list_dir"
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file"
    if status.st_nlink > 1:
        # The same file may have a name outside the worktree; nothing tells whether it does.
        return "is a hard link, shared with another place; copy it first"
    if status.st_size > MAX_BYTES:
        return f"has {status.st_size:,} bytes; use search or run_command"
    return None


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
        directory = os.open(place.name, DIRECTORY, dir_fd=place.directory)
        try:
            names = sorted(name for name in os.listdir(directory) if not is_git(name))
            return [_shown(directory, name) for name in names]
        finally:
            os.close(directory)


def _status(place: Spot) -> os.stat_result | None:
    try:
        return os.stat(place.name, dir_fd=place.directory, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _shown(directory: int, name: str) -> str:
    target = link_target(directory, name)
    if target is not None:
        return f"{name} -> {target}"
    mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
    return f"{name}/" if stat.S_ISDIR(mode) else name
