"""Reads log files as they grow: their last lines first, then whatever whole lines are added."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# How much of a file's end is read for its last lines.
TAIL_BYTES = 1_000_000


@dataclass(frozen=True)
class Source:
    """A log file and what people call it."""

    name: str
    file: Path


@dataclass
class Follower:
    """Lines of the sources, which may grow, be rotated, and become more."""

    sources: Callable[[], Sequence[Source]]
    _read_to: dict[Path, int] = field(default_factory=dict)

    def last(self, lines: int) -> Iterator[tuple[Source, list[str]]]:
        """The last lines of each source that there is now."""
        for source in self.sources():
            size = _size(source.file)
            start = max(size - TAIL_BYTES, 0)
            found = self._lines_from(source.file, start)
            # The first line of a tail that begins anywhere is only a part of one.
            found = found[1:] if start else found
            yield source, found[len(found) - lines :] if lines < len(found) else found

    def skip(self) -> None:
        """Show nothing of what is there now."""
        self._read_to = {source.file: _size(source.file) for source in self.sources()}

    def added(self) -> Iterator[tuple[Source, list[str]]]:
        """Whole lines that came since the last look; a source that is new begins at its start."""
        for source in self.sources():
            start = self._read_to.get(source.file, 0)
            if _size(source.file) < start:
                start = 0  # The file was rotated away, and a fresh one has its name.
            if found := self._lines_from(source.file, start):
                yield source, found

    def _lines_from(self, file: Path, start: int) -> list[str]:
        try:
            with file.open("rb") as stream:
                stream.seek(start)
                content = stream.read()
        except FileNotFoundError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        self._read_to[file] = start + len(whole)
        return whole.decode(errors="replace").splitlines()


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
