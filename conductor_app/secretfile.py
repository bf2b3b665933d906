"""Secrets kept in files that only their owner can read, made once however many processes ask."""

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from conductor_app import masking
from conductor_app.errors import EnvironmentProblem


def read_or_create(path: Path) -> str:
    """The secret in `path`; a fresh one is written (mode 600) when there is none yet."""
    try:
        return _read(path)
    except FileNotFoundError:
        _create(path)
        return _read(path)


def know(path: Path) -> None:
    """Let the secret in `path` be masked, where there is one."""
    with suppress(OSError, UnicodeDecodeError):
        masking.know(path.read_text())


def _read(path: Path) -> str:
    try:
        secret = path.read_text().strip()
    except PermissionError as denied:
        raise EnvironmentProblem(
            f"{path} belongs to somebody else, so its secret can't be read. "
            "Run Conductor as its owner, or set CONDUCTOR_HOME to a directory of yours."
        ) from denied
    if not secret:
        raise EnvironmentProblem(f"{path} is empty. Delete it; a fresh secret is made then.")
    masking.know(secret)
    return secret


def _create(path: Path) -> None:
    """Link a complete file into place: nobody ever reads half a secret, and the first wins."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # mkstemp opens with O_EXCL and mode 600.
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
        os.link(draft, path)
    except FileExistsError:
        return  # Another process was first; its secret is the one.
    finally:
        os.unlink(draft)
