"""Keeps secrets of this installation out of commits: files that hold one are found before."""

import mmap
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from conductor_app import masking
from workers.git.errors import SecretsFound
from workers.git.program import Git


def refuse_secrets(git: Git, root: Path) -> None:
    """Raises SecretsFound when a file that would be committed holds a secret that is known here."""
    found = [name for name in _changed(git, root) if _holds_secret(root, name)]
    if found:
        raise SecretsFound(
            f"Not committed: {masking.words(', '.join(found))} would bring a key or a password "
            "of this installation into the repository. Take it out; what needs a secret reads it "
            "from its environment.",
            files=found,
        )


def mask_secrets(root: Path, names: Sequence[str]) -> None:
    """Let the mask take the secrets' place in these files; one so named is removed."""
    for name in names:
        path = root / name
        if path.is_symlink() or masking.known_in(name):
            path.unlink(missing_ok=True)
            continue
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        path.write_bytes(masking.data(text).encode("utf-8", "surrogateescape"))


def _changed(git: Git, root: Path) -> list[str]:
    """What is there and differs from the last commit, files of repositories inside as well."""
    status = git.run(
        *("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all"),
        "--ignore-submodules=all",
    )
    names = [entry[3:] for entry in status.split("\0") if entry]
    return [each for name in names for each in (_within(root, name) if name[-1] == "/" else [name])]


def _within(root: Path, folder: str) -> list[str]:
    return [
        os.path.relpath(os.path.join(place, file), root)
        for place, _, files in os.walk(root / folder)
        for file in files
    ]


def _holds_secret(root: Path, name: str) -> bool:
    path = root / name
    if masking.known_in(name):
        return True
    if path.is_symlink():
        return masking.known_in(os.readlink(path))
    # An agent may have left anything there: a pipe, a file that nobody may read.
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb"):
            status = os.fstat(handle)
            if stat.S_ISREG(status.st_mode) and status.st_size > 0:
                with mmap.mmap(handle, 0, access=mmap.ACCESS_READ) as content:
                    return masking.known_in_bytes(content)
    return False
