"""Evidence fit to be kept: what a project's programs wrote, masked, as JSON for any database."""

import math
from typing import Any

from conductor_app import masking

MAX_TEXT = 5_000
MAX_ITEMS = 200
MAX_DEPTH = 12


def storable(value: Any, depth: int = 0) -> Any:
    """The value as JSON without NUL characters, lone surrogates or NaN; what is too much is cut."""
    if isinstance(value, str):
        return text(value)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth >= MAX_DEPTH:
        return f"[{type(value).__name__}, cut]"
    if isinstance(value, dict):
        items = list(value.items())[:MAX_ITEMS]
        return {text(str(key)): storable(item, depth + 1) for key, item in items}
    if isinstance(value, (list, tuple)):
        return [storable(item, depth + 1) for item in value[:MAX_ITEMS]]
    return text(str(value))


def text(value: str) -> str:
    """Text without secrets that every database and encoding takes, cut when long."""
    value = masking.words(value)
    return value if len(value) <= MAX_TEXT else value[:MAX_TEXT] + " [... cut]"
