"""The percentiles that a load check reports."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.checks.load import percentile

LATENCIES = st.lists(st.floats(min_value=0, max_value=1e6), min_size=1)


@pytest.mark.parametrize(("per_cent", "value"), [(0, 1), (50, 10), (95, 19), (100, 20)])
def test_nearest_rank(per_cent: float, value: int) -> None:
    assert percentile(list(range(20, 0, -1)), per_cent) == value


@given(LATENCIES, st.floats(min_value=0, max_value=100))
def test_at_least_that_many_are_not_above(values: list[float], per_cent: float) -> None:
    bound = percentile(values, per_cent)
    assert bound in values
    assert sum(value <= bound for value in values) >= len(values) * per_cent / 100 - 1e-9
