"""Writes what an attempt leaves to read, masked: transcript, prompt, outputs too long to show."""

import errno
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conductor_app import masking
from workers import disk
from workers.failures import AttemptFailed, FailureKind


def append(file: Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """A line of JSON each, in one write, so that a worker that dies leaves whole entries.

    They are masked before they are JSON, whose escapes are no part of a secret. Raises
    AttemptFailed; OSError when the disk is full.
    """
    masked = (masking.within(entry, masking.data) for entry in entries)
    text = "".join(json.dumps(entry, default=_masked) + "\n" for entry in masked)
    data = text.encode("utf-8", "replace")
    with _writing(file), file.open("ab", buffering=0) as stream:
        if stream.write(data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))


def write(file: Path, text: str) -> None:
    """Raises AttemptFailed; OSError when the disk is full."""
    with _writing(file):
        file.write_text(masking.data(text), encoding="utf-8", errors="replace")


def _masked(value: Any) -> str:
    return masking.data(str(value))


@contextmanager
def _writing(file: Path) -> Iterator[None]:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        if disk.is_full(error):
            raise
        raise AttemptFailed(
            FailureKind.TEMPORARY_FAILURE,
            f"The worker could not write {file}: {error.strerror}. "
            "Give the worker the right to write there.",
        ) from error
