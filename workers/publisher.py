"""Publishes hints behind the writer's back, so that a commit never waits for the broker."""

import queue
import threading
from collections.abc import Sequence
from contextvars import Context, copy_context

from conductor_app.queue import Hint, Queue


class Publisher:
    """A Queue that hands everything to another one on its own thread, in order.

    What a killed process had not published yet is presumed lost and sent again by the tick.
    """

    def __init__(self, behind: Queue) -> None:
        self._behind = behind
        self._waiting: queue.SimpleQueue[tuple[Context, list[Hint]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._thread.start()

    def send(self, hints: Sequence[Hint]) -> None:
        # Together with the trace that they belong to.
        self._waiting.put((copy_context(), list(hints)))

    def consume(self, queue: str) -> None:
        self._behind.consume(queue)

    def close(self) -> None:
        self._waiting.put(None)
        self._thread.join()
        self._behind.close()

    def _run(self) -> None:
        while (waiting := self._waiting.get()) is not None:
            context, hints = waiting
            context.run(self._behind.send, hints)
