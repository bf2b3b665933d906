"""Reads what attempts left: pieces of log and transcript from the data directory."""

from pathlib import Path
from typing import Any

from conductor_app.errors import NotFound
from conductor_app.places import Places

LOG = "log.txt"
TRANSCRIPT = "transcript.jsonl"


def read_piece(
    places: Places, execution_id: str, attempt_id: str, name: str, offset: int, limit: int
) -> dict[str, Any]:
    """At most `limit` bytes as `text`; `next_offset` goes on after them, when more is written too.

    The ids are rows' and the name is one of ours, so the path can't lead elsewhere.
    """
    file = places.artifacts / execution_id / attempt_id / name
    content, size = _bytes(file, offset, limit)
    return {
        "attempt_id": attempt_id,
        "text": content.decode("utf-8", "replace"),
        "offset": offset,
        "next_offset": offset + len(content),
        "size": size,
    }


def _bytes(file: Path, offset: int, limit: int) -> tuple[bytes, int]:
    try:
        with file.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(min(offset, size))
            content = stream.read(limit)
    except FileNotFoundError:
        raise NotFound(
            f"There is no {file.name} of this attempt on this machine: nothing was written yet, "
            "it was cleaned up, or the attempt ran elsewhere."
        ) from None
    return _whole_characters(content, at_end=offset + len(content) >= size), size


def _whole_characters(content: bytes, at_end: bool) -> bytes:
    """Without a character that the limit cut in two: it belongs to the next piece."""
    if at_end or len(content) < 4:
        return content
    for cut in range(1, 4):
        byte = content[-cut]
        if byte & 0b1100_0000 == 0b1000_0000:
            continue
        length = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        return content[:-cut] if length > cut else content
    return content
