"""A command's output, held within a limit while it is read: its head and its tail."""

import re

# Longer words than this are no keys, and may be all that there is; of those the edge is left out.
_LONGEST = 8_192
_LONGEST_KEY = 512
_SPACE = re.compile(rb"\s")


class BoundedOutput:
    """Keeps the first and the last half of `limit` bytes, and counts what fell out between."""

    def __init__(self, limit: int) -> None:
        self._half = max(limit // 2, 1)
        self._head = bytearray()
        self._tail = bytearray()
        self._total = 0

    def add(self, data: bytes) -> None:
        self._total += len(data)
        room = self._half - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        if data:
            self._tail += data[-self._half :]
            del self._tail[: -self._half]

    @property
    def truncated(self) -> bool:
        return self._total > len(self._head) + len(self._tail)

    def text(self) -> str:
        """Head and tail as text, with a line between them that says how much is missing.

        Half a word does not stand at the cut: half of a secret would not be known for one.
        """
        if not self.truncated:
            return (self._head + self._tail).decode("utf-8", "replace")
        # Read backwards a head is a tail.
        head = _from_a_word(self._head[::-1])[::-1]
        tail = _from_a_word(self._tail)
        missing = self._total - len(head) - len(tail)
        kept = (each.decode("utf-8", "replace") for each in (head, tail))
        return f"\n[... {missing} bytes left out here ...]\n".join(kept)


def _from_a_word(part: bytearray) -> bytearray:
    """Without the rest of a word that it begins with, or so much of it as a key may have."""
    space = _SPACE.search(part, 0, _LONGEST)
    return part[space.start() if space else min(len(part) // 2, _LONGEST_KEY) :]
