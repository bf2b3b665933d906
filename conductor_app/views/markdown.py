"""Pieces of Markdown that survive any text put into them."""

import re
from collections.abc import Iterable, Sequence

# What would format, link, quote or end a table's cell; a text is shown as it is.
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~])")
# What a terminal would obey: escape sequences first, then any other control character.
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def text(value: object) -> str:
    """One line of plain text."""
    line = " ".join(_CONTROL.sub("", str(value)).split())
    return _SPECIAL.sub(r"\\\1", line)


def code(value: object) -> str:
    """One line as code, whatever backticks it has."""
    line = " ".join(_CONTROL.sub("", str(value)).split())
    fence = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}" if line else ""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table of finished cells; none when there is no row."""
    lines = [_row(row) for row in rows]
    return [_row(header), _row(["---"] * len(header)), *lines] if lines else []


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def listed(values: Iterable[str]) -> list[str]:
    return [f"- {value}" for value in values]


def document(*blocks: str | Iterable[str]) -> str:
    """Blocks (a line, or lines) with an empty line between them; empty ones are left out."""
    parts = [block if isinstance(block, str) else "\n".join(block) for block in blocks]
    return "\n\n".join(part for part in parts if part) + "\n"
