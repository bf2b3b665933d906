"""Whether a program has changed any file of its worktree."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

Stamp = tuple[str, int, int]


def changes_since(worktree: Path | None) -> Callable[[], bool]:
    """Asked later: whether a file was added, removed or written since this call."""
    before = _stamps(worktree)
    return lambda: _stamps(worktree) != before


def _stamps(worktree: Path | None) -> frozenset[Stamp]:
    return frozenset(_walk(worktree)) if worktree is not None else frozenset()


def _walk(folder: Path) -> Iterator[Stamp]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != ".git"]
        for name in files:
            path = os.path.join(place, name)
            try:
                found = os.lstat(path)
            except FileNotFoundError:
                continue
            yield path, found.st_mtime_ns, found.st_size
