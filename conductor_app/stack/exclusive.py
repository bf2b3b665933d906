"""Only one process at a time starts or stops the stack of a data directory."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conductor_app.errors import Refused
from conductor_app.places import Places

LOCK_SECONDS = 90.0
POLL_SECONDS = 0.05


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Wait for one's turn. Raises Refused when another one takes too long."""
    deadline = time.monotonic() + LOCK_SECONDS
    with (Places(home).run / "stack.lock").open("w") as lock:
        while not try_lock(lock.fileno(), fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise Refused(
                    f"Another `conductor` is starting or stopping the stack of {home} and takes "
                    f"longer than {LOCK_SECONDS:g} s. Wait for it, or end it, and try again."
                )
            time.sleep(POLL_SECONDS)
        yield


def try_lock(handle: int, kind: int) -> bool:
    """Take a lock of this kind (fcntl.LOCK_EX, LOCK_SH) unless another process keeps it away."""
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
