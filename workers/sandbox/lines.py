"""Output as it comes, cut into lines: whole ones, none longer than may be held."""

from collections.abc import Iterator

# A line of a program's stream may carry a whole file that it read.
LONGEST_LINE = 8 << 20


class LineBuffer:
    """Turns pieces of output into lines; what is too long of a line is dropped."""

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self._longest = longest
        self._rest = bytearray()

    def add(self, data: bytes) -> Iterator[str]:
        """The lines that are whole now, without their ends."""
        *ended, open_end = data.split(b"\n")
        for piece in ended:
            self._keep(piece)
            yield self._taken()
        self._keep(open_end)

    def last(self) -> Iterator[str]:
        """The line without an end that the output stopped with, if any."""
        if self._rest:
            yield self._taken()

    def _keep(self, piece: bytes) -> None:
        self._rest += piece[: self._longest - len(self._rest)]

    def _taken(self) -> str:
        line = self._rest.decode("utf-8", "replace").removesuffix("\r")
        self._rest.clear()
        return line
