"""Writes what an attempt leaves to read, masked: transcript, prompt, outputs too long to show."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conductor_app import masking
from workers.failures import AttemptFailed, FailureKind


def append(file: Path, text: str) -> None:
    """In one write, so that a worker that dies leaves whole entries. Raises AttemptFailed."""
    with _writing(file), file.open("ab", buffering=0) as stream:
        stream.write(masking.data(text).encode("utf-8", "replace"))


def write(file: Path, text: str) -> None:
    """Raises AttemptFailed."""
    with _writing(file):
        file.write_text(masking.data(text), encoding="utf-8", errors="replace")


@contextmanager
def _writing(file: Path) -> Iterator[None]:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise AttemptFailed(
            FailureKind.TEMPORARY_FAILURE,
            f"The worker could not write {file}: {error.strerror}. "
            "Make room there, or give the worker the right to write.",
        ) from error
