"""Cuts what a tool says to what a model should read, and keeps the whole as a file."""

import re
from pathlib import Path

from workers import artifacts

MAX_CHARACTERS = 30_000


def cut(text: str, keep_as: Path, limit: int = MAX_CHARACTERS) -> tuple[str, Path | None]:
    """The text as it is, or its head and tail with the whole kept in a file, which is given too."""
    if len(text) <= limit:
        return text, None
    artifacts.write(keep_as, text)
    half = limit // 2
    elided = len(text) - 2 * half
    note = f"\n[... {elided:,} characters left out; the whole is kept as {keep_as.name} ...]\n"
    return text[:half] + note + text[-half:], keep_as


def file_name(number: int, tool: str) -> str:
    """The name of a kept output; the tool's name is a model's word, so only letters count."""
    return f"output-{number:04}-{re.sub(r'[^a-z_]', '', tool)[:20]}.txt"
