"""What an attempt tells while it runs: for `conductor logs`."""

from pathlib import Path
from typing import IO, Self

from conductor_app import masking


class AttemptLog:
    """An attempt's log, a line at a time; the file is there once something was written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None
        self._masked = masking.Stream()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.write(self._masked.end())
            self._file.close()

    def write(self, line: str) -> None:
        if self._file is None:
            self._file = self._path.open("a", buffering=1, encoding="utf-8")
        self._file.write(self._masked.add(f"{line}\n"))
