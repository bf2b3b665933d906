"""JSON as others take it back: without the numbers that Python reads and no standard has."""

import json
import math
from collections.abc import Iterable
from typing import Any


def loads(text: str | bytes) -> Any:
    """Raises ValueError also for `NaN`, `Infinity` and `1e999`; RecursionError."""
    return json.loads(text, parse_float=_finite, parse_constant=_finite)


def nested(value: Any, most: int) -> bool:
    """Whether more than so many lists and objects stand in one another."""
    parts = [value]
    for _ in range(most + 1):
        outer = [each for each in parts if isinstance(each, dict | list)]
        if not outer:
            return False
        parts = [part for each in outer for part in _parts(each)]
    return True


def _parts(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number of JSON")
    return number
