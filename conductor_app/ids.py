"""Identifiers: ULIDs, which sort by the time they were made."""

import threading

from ulid import ULID

_lock = threading.Lock()
_last = 0


def new_id() -> str:
    """A fresh id; those of one process sort as they were made, also within a millisecond."""
    global _last
    with _lock:
        _last = max(int(ULID()), _last + 1)
        return str(ULID.from_int(_last))
