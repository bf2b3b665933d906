"""Identifiers: ULIDs, which sort by the time they were made."""

import re
import threading

from ulid import ULID

_lock = threading.Lock()
_last = 0
_IN_TEXT = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


def new_id() -> str:
    """A fresh id; those of one process sort as they were made, also within a millisecond."""
    global _last
    with _lock:
        _last = max(int(ULID()), _last + 1)
        return str(ULID.from_int(_last))


def without_ids(text: str) -> str:
    """The text with every id as `...`: two that say the same of different things are equal."""
    return _IN_TEXT.sub("...", text)
