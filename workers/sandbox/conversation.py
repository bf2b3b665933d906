"""A command that is talked with: lines go in, lines come out, until the block is left."""

import os
import queue
import select
import sys
import threading
import time
from collections.abc import Callable

from workers.sandbox.lines import LineBuffer
from workers.sandbox.output import BoundedOutput
from workers.sandbox.process import Outcome, Supervised
from workers.sandbox.reading import Counter

CHUNK = 65536
POLL_SECONDS = 0.1
# How many lines, and bytes of them, may wait to be read before the command has to wait.
LINES_WAITING = 1_000
BYTES_WAITING = 32 << 20
LAST_WORDS_SECONDS = 2.0


class Closed(Exception):
    """The command no longer listens, or has said its last line."""


class Interrupted(Exception):
    """Somebody wants no answer any more."""


class _Waiting(queue.Queue[str | None]):
    """Lines in a room of so many bytes; each takes at least its share, and the last may stick out.

    The base class asks these methods under its lock, and puts no line into a room that is full.
    """

    def __init__(self) -> None:
        self._taken = 0
        super().__init__(BYTES_WAITING)

    def _qsize(self) -> int:
        return self._taken

    def _put(self, item: str | None) -> None:
        super()._put(item)
        self._taken += _room(item)

    def _get(self) -> str | None:
        item = super()._get()
        self._taken -= _room(item)
        return item


def _room(line: str | None) -> int:
    return max(sys.getsizeof(line), BYTES_WAITING // LINES_WAITING)


class Conversation:
    """A command that is running, or was; its errors are kept aside, the first and the last."""

    def __init__(self, supervised: Supervised, limit: int, counted: Counter | None = None) -> None:
        self._supervised = supervised
        self._counted = counted
        # Of the line that was given up in its middle.
        self._rest = b""
        self._errors = BoundedOutput(limit)
        self._lines = _Waiting()
        self._over = threading.Event()
        self._outcome: Outcome | None = None
        self._readers = [
            threading.Thread(target=work, name=f"{work.__name__} of a command", daemon=True)
            for work in (self._read_lines, self._read_errors)
        ]
        os.set_blocking(supervised.input.fileno(), False)
        for reader in self._readers:
            reader.start()

    @property
    def errors(self) -> str:
        return self._errors.text()

    def last_words(self) -> str:
        """Its errors, once its lines have ended: the last of them may come a little later."""
        self._readers[-1].join(LAST_WORDS_SECONDS)
        return self.errors

    def send(
        self, line: str, deadline: float, interrupted: Callable[[], bool] = lambda: False
    ) -> None:
        """Raises Closed when it no longer listens, TimeoutError at the deadline (monotonic), and
        Interrupted.

        The rest of a line that was given up in its middle comes before the next line: the command
        would take the two for one.
        """
        whole = line.encode() + b"\n"
        data = memoryview(self._rest + whole)
        # Not `select`, which knows no descriptor above 1023: a worker with many slots has more.
        poll = select.poll()
        poll.register(self._supervised.input, select.POLLOUT)
        try:
            while data:
                if interrupted():
                    raise Interrupted
                if time.monotonic() >= deadline:
                    raise TimeoutError
                if poll.poll(POLL_SECONDS * 1000):
                    try:
                        data = data[os.write(self._supervised.input.fileno(), data) :]
                    except BlockingIOError:
                        continue
                    except BrokenPipeError:
                        raise Closed from None
                elif not self._supervised.alive():
                    raise Closed
        finally:
            # A line of which nothing has been sent is none.
            begun = len(data) < len(whole)
            self._rest = bytes(data if begun else data[: len(data) - len(whole)])

    def line(self, seconds: float) -> str | None:
        """The next line; None when none came within that time. Raises Closed at the end."""
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            return None
        if line is None:
            self._lines.put(None)
            raise Closed
        return line

    def finish(self) -> None:
        """Wait for its end; it must have been told to stop before."""
        self._over.set()
        self.outcome()
        for reader in self._readers:
            reader.join(LAST_WORDS_SECONDS)

    def outcome(self) -> Outcome:
        """How it ended: waits for it, so only after its lines have."""
        if self._outcome is None:
            self._outcome = self._supervised.outcome()
        return self._outcome

    def _read_lines(self) -> None:
        lines = LineBuffer()
        while data := os.read(self._supervised.output.fileno(), CHUNK):
            self._count(data)
            for line in lines.add(data):
                self._put(line)
        for line in lines.last():
            self._put(line)
        self._put(None)

    def _put(self, line: str | None) -> None:
        """Waits while too many lines wait, unless nobody will read them any more."""
        while not self._over.is_set():
            try:
                return self._lines.put(line, timeout=POLL_SECONDS)
            except queue.Full:
                continue

    def _read_errors(self) -> None:
        while data := os.read(self._supervised.errors.fileno(), CHUNK):
            self._count(data)
            self._errors.add(data)

    def _count(self, data: bytes) -> None:
        if self._counted is not None:
            self._counted(len(data))
