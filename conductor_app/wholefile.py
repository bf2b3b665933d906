"""Writes a file as a whole: whoever reads it sees the old text or the new, never half."""

import os
import tempfile
from pathlib import Path


def write_whole(file: Path, text: str) -> None:
    """Replace the file's text at once, also if the process or the machine dies meanwhile."""
    handle, part = tempfile.mkstemp(prefix=f".{file.name}.", suffix=".part", dir=file.parent)
    try:
        # Bytes of others that are no UTF-8, read with the same handler, are written back unchanged.
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        Path(part).chmod(0o644)
        Path(part).replace(file)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
