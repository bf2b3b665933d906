"""Evidence that every database takes, whatever the project's programs wrote."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.checks.evidence import MAX_ITEMS, MAX_TEXT, storable

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
)


@given(ANYTHING)
def test_anything_can_be_stored(value: Any) -> None:
    text = json.dumps(storable(value), allow_nan=False)
    assert "\\u0000" not in text
    json.loads(text)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("a\x00b", "a\ufffdb"),
        ("a\ud800", "a\ufffd"),
        (float("inf"), "inf"),
        ({1: (True, None)}, {"1": [True, None]}),
    ],
)
def test_what_no_database_takes_is_replaced(value: Any, kept: Any) -> None:
    assert storable(value) == kept


def test_what_is_too_much_is_cut() -> None:
    assert storable("x" * (MAX_TEXT + 1)).endswith("[... cut]")
    assert len(storable([0] * 10_000)) == MAX_ITEMS
    nested: list[Any] = []
    for _ in range(500):
        nested = [nested]
    assert "[list, cut]" in json.dumps(storable(nested))
