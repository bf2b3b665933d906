"""What holds for every priority, and what the formula gives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_app.catalog import AGENTS
from conductor_app.domain.priority import (
    LEVELS,
    MOST_WEIGHT,
    WEIGHTS,
    of_task,
    rabbitmq_level,
    redis_level,
    weight,
)

numbers = st.integers(-100_000, 100_000)


@given(st.integers(0, 100), st.integers(0, 99), st.integers(0, 99))
def test_an_earlier_phase_goes_before_any_agents_priority(phase: int, a: int, b: int) -> None:
    assert of_task(phase, a) > of_task(phase + 1, b)


@given(numbers, numbers)
def test_both_brokers_keep_the_order(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert rabbitmq_level(low) <= rabbitmq_level(high)
    assert redis_level(low) >= redis_level(high)


@given(numbers)
def test_levels_are_in_range_and_mirror_each_other(number: int) -> None:
    assert 0 <= redis_level(number) < LEVELS
    assert redis_level(number) + rabbitmq_level(number) == LEVELS - 1


def test_each_phase_has_a_level_of_its_own_with_phase_0_most_urgent() -> None:
    by_phase = [
        {redis_level(of_task(phase, agent.priority)) for agent in AGENTS.values()}
        for phase in range(6)
    ]
    assert all(len(levels) == 1 for levels in by_phase)
    flat = [levels.pop() for levels in by_phase]
    assert flat == sorted(set(flat))
    assert flat[0] == 0


@given(st.integers())
def test_any_integer_is_a_weight_within_bounds(number: int) -> None:
    assert 1 <= weight(number) <= MOST_WEIGHT
    assert weight(str(number)) == weight(number)


def test_the_words_are_weights_in_their_order() -> None:
    words = [weight(word) for word in ("low", "normal", "high", "critical")]
    assert words == sorted(set(words)) == sorted(WEIGHTS.values())
    with pytest.raises(ValueError, match="low, normal, high, critical or an integer"):
        weight("urgent")
