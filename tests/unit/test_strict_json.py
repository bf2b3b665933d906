"""JSON that everybody takes back, and how deep it is."""

from typing import Any

import pytest

from workers import strict_json
from workers.connectors.live import DEEPEST, arguments_of


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize(
    ("text", "levels"),
    [("1", 0), ('"[[["', 0), ("[]", 1), ("{}", 1), ('[1, {"a": [], "b": 2}]', 3), (deep(50), 50)],
)
def test_how_deep_it_is_nested(text: str, levels: int) -> None:
    value = strict_json.loads(text)
    assert not strict_json.nested(value, levels)
    assert levels == 0 or strict_json.nested(value, levels - 1)


@pytest.mark.parametrize("levels", [DEEPEST, 700, 100_000])
def test_arguments_without_end_are_left_as_they_were_said(levels: int) -> None:
    said = f'{{"path": {deep(levels)}}}'
    assert arguments_of(said) == said


@pytest.mark.parametrize(
    ("said", "arguments"),
    [("", {}), ('{"a": [1]}', {"a": [1]}), (deep(1), []), ('{"a": NaN}', '{"a": NaN}')],
)
def test_arguments_are_read_or_left(said: str, arguments: Any) -> None:
    assert arguments_of(said) == arguments
    least = arguments_of(f'{{"path": {deep(DEEPEST - 1)}}}')
    assert isinstance(least, dict)
