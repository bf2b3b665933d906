"""Reads what a command writes until the last process that could write has ended."""

import os
import selectors
from collections.abc import Callable, Iterable

from workers.sandbox.lines import LineBuffer
from workers.sandbox.output import BoundedOutput
from workers.sandbox.process import Supervised

POLL_SECONDS = 0.1
CHUNK = 65536
# Given each line of standard output as it is written.
Hearer = Callable[[str], None]
# Given how many bytes there are more, of standard output and error, also where no line has ended.
Counter = Callable[[int], None]


def read_to_end(
    supervised: Supervised,
    output: BoundedOutput,
    cancelled: Callable[[], bool] | None,
    heard: Hearer | None = None,
    counted: Counter | None = None,
) -> None:
    """Reads to the end; asks now and then if to stop. With `heard`, errors are read beside it."""
    stopped = False
    lines = LineBuffer()
    with selectors.DefaultSelector() as selector:
        selector.register(supervised.output, selectors.EVENT_READ)
        if heard is not None:
            selector.register(supervised.errors, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(POLL_SECONDS)
            for key, _ in ready:
                data = os.read(key.fd, CHUNK)
                output.add(data)
                if counted is not None:
                    counted(len(data))
                if not data:
                    selector.unregister(key.fileobj)
                elif key.fileobj is supervised.output:
                    _tell(lines.add(data), heard)
            if not ready and not supervised.alive():
                break  # killed, and something that it could not end holds the output open
            if not stopped and cancelled is not None and cancelled():
                supervised.stop()
                stopped = True
    _tell(lines.last(), heard)


def _tell(lines: Iterable[str], heard: Hearer | None) -> None:
    if heard is not None:
        for line in lines:
            heard(line)
