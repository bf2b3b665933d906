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

from workers import disk
from workers.tools.workplace import ToolFault

MAX_LINKS = 40
# Each directory on the way is open at the same time.
MAX_PARTS = 100
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
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
    opened = [os.open(root, DIRECTORY)]
    try:
        yield _walk(opened, path, make_parents)
    except FileNotFoundError as error:
        raise ToolFault(f"There is no {path!r}; list_dir shows what there is.") from error
    except (OSError, ValueError) as error:
        if disk.is_full(error):
            raise
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
        # Links that stand for many come before anything is made: in new directories there is none.
        if len(names) + len(parts) > MAX_PARTS:
            raise ToolFault(f"The path has more than {MAX_PARTS} parts; choose a shorter one.")
        part = parts.popleft()
        if part == "..":
            # Only links get here: in the path itself _parts refuses it.
            if not names:
                raise ToolFault(f"{path!r} leads out of the worktree through a link.")
            os.close(opened.pop())
            names.pop()
            continue
        if is_git(part):
            raise ToolFault(f"{path!r} is git's own; agents have no access to .git.")
        target = link_target(opened[-1], part)
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


def is_git(name: str) -> bool:
    visible = "".join(letter for letter in name if unicodedata.category(letter) != "Cf")
    return _GIT.fullmatch(visible.casefold()) is not None


def link_target(directory: int, name: str) -> str | None:
    with suppress(FileNotFoundError):
        if stat.S_ISLNK(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
            return os.readlink(name, dir_fd=directory)
    return None


def _enter(directory: int, name: str, make: bool) -> int:
    if make:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=directory)
    return os.open(name, DIRECTORY, dir_fd=directory)
