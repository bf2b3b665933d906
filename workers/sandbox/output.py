"""A command's output, held within a limit while it is read: its head and its tail."""


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
    def elided(self) -> int:
        """How many bytes are no longer held."""
        return self._total - len(self._head) - len(self._tail)

    @property
    def truncated(self) -> bool:
        return self.elided > 0

    def text(self) -> str:
        """Head and tail as text, with a line between them that says how much is missing."""
        if not self.truncated:
            return (self._head + self._tail).decode("utf-8", "replace")
        head = self._head.decode("utf-8", "replace")
        tail = self._tail.decode("utf-8", "replace")
        return f"{head}\n[... {self.elided} bytes left out here ...]\n{tail}"
