"""Retries: when, how often, for what, and when somebody is told."""

import pytest

from conductor_app.domain.retry import GiveUp, RetryAt, decide, delay
from conductor_app.domain.workflow import RETRYABLE, RetryPolicy

NOW = 1_800_000_000.0


def test_by_default_three_retries_wait_longer_each_time_and_escalate_at_the_second() -> None:
    policy = RetryPolicy()
    assert [decide(policy, failures, "TIMEOUT", NOW) for failures in (1, 2, 3)] == [
        RetryAt(NOW + 1, escalate=False),
        RetryAt(NOW + 2, escalate=True),
        RetryAt(NOW + 4, escalate=True),
    ]
    assert decide(policy, 4, "TIMEOUT", NOW) == GiveUp("It failed 4 times; the limit is 3 retries.")


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [("fixed", [2, 2, 2]), ("linear", [2, 4, 6]), ("exponential", [2, 4, 8])],
)
def test_the_strategies(backoff: str, delays: list[float]) -> None:
    policy = RetryPolicy.model_validate({"backoff": backoff, "base": 2})
    assert [delay(policy, failures) for failures in (1, 2, 3)] == delays


@pytest.mark.parametrize("kind", ["TIMEOUT", "API_LIMIT", "TEMPORARY_FAILURE", "CHECK_FAILED"])
def test_what_is_retryable_by_default(kind: str) -> None:
    assert kind in RETRYABLE
    assert isinstance(decide(RetryPolicy(), 1, kind, NOW), RetryAt)


@pytest.mark.parametrize(
    "kind", ["CANCELLED", "TOOL_LIMIT", "RECORDING_MISSING", "SANDBOX_UNAVAILABLE"]
)
def test_what_is_not(kind: str) -> None:
    assert decide(RetryPolicy(), 1, kind, NOW) == GiveUp(
        f"A failure of kind {kind} is not tried again."
    )


def test_a_policy_may_name_other_kinds_or_no_retry() -> None:
    assert isinstance(decide(RetryPolicy(on=("OWN",)), 1, "OWN", NOW), RetryAt)
    assert isinstance(decide(RetryPolicy(max=0), 1, "TIMEOUT", NOW), GiveUp)
