"""What holds for every retry policy."""

from hypothesis import given
from hypothesis import strategies as st

from conductor_app.domain.retry import LONGEST_DELAY, GiveUp, RetryAt, decide, delay
from conductor_app.domain.workflow import FAILURE_KINDS, RetryPolicy

policies = st.builds(
    RetryPolicy,
    max=st.integers(0, 100),
    backoff=st.sampled_from(["linear", "exponential", "fixed"]),
    base=st.floats(0, 3600, allow_nan=False),
    on=st.lists(st.sampled_from(FAILURE_KINDS), unique=True).map(tuple),
    escalate_after=st.integers(1, 10),
)
failures = st.integers(1, 1_000_000)
moments = st.floats(0, 4e9, allow_nan=False)


@given(policies, failures, st.sampled_from(FAILURE_KINDS), moments)
def test_a_retry_is_in_time_bounded_and_only_for_what_the_policy_names(
    policy: RetryPolicy, count: int, kind: str, now: float
) -> None:
    match decide(policy, count, kind, now):
        case RetryAt(when, escalate):
            assert kind in policy.on
            assert count <= policy.max
            assert now <= when <= now + LONGEST_DELAY
            assert escalate == (count >= policy.escalate_after)
        case GiveUp(reason):
            assert kind not in policy.on or count > policy.max
            assert reason


@given(policies, failures)
def test_waiting_never_gets_shorter(policy: RetryPolicy, count: int) -> None:
    assert delay(policy, count) <= delay(policy, count + 1)


@given(policies, st.sampled_from(FAILURE_KINDS), moments)
def test_every_policy_ends(policy: RetryPolicy, kind: str, now: float) -> None:
    assert isinstance(decide(policy, policy.max + 1, kind, now), GiveUp)
