"""JSON as others take it back: without the numbers that Python reads and no standard has."""

import json
import math
from typing import Any


def loads(text: str | bytes) -> Any:
    """Raises ValueError also for `NaN`, `Infinity` and `1e999`; RecursionError."""
    return json.loads(text, parse_float=_finite, parse_constant=_finite)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number of JSON")
    return number
