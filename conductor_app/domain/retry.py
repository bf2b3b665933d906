"""Whether a failed task is tried again, and when: a policy's decision, without a clock."""

from dataclasses import dataclass

from conductor_app.domain.workflow import RetryPolicy

LONGEST_DELAY = 3600.0
# Of what a service asks for; what asks for more is believed again after so long.
LONGEST_WAIT = 86_400.0


@dataclass(frozen=True)
class RetryAt:
    """Try again, not before `when` (seconds, as `now`); `escalate` asks for attention as well."""

    when: float
    escalate: bool


@dataclass(frozen=True)
class GiveUp:
    """Do not try again; `reason` is a sentence for people."""

    reason: str


def decide(policy: RetryPolicy, failures: int, kind: str, now: float) -> RetryAt | GiveUp:
    """What follows a failure at `now` (seconds); `failures` were reported, this one included."""
    if kind not in policy.on:
        return GiveUp(f"A failure of kind {kind} is not tried again.")
    if failures > policy.max:
        tries = "1 retry" if policy.max == 1 else f"{policy.max} retries"
        return GiveUp(f"It failed {failures} times; the limit is {tries}.")
    when = now + delay(policy, failures)
    return RetryAt(when, escalate=failures >= policy.escalate_after)


def delay(policy: RetryPolicy, failures: int) -> float:
    """Seconds to wait after this many failures (1 is the first), an hour at most."""
    match policy.backoff:
        case "fixed":
            wait = policy.base
        case "linear":
            wait = policy.base * failures
        case "exponential":
            # The exponent is bounded because a float is not: 2 ** 1024 overflows.
            wait = policy.base * 2.0 ** min(failures - 1, 64)
    return min(wait, LONGEST_DELAY)


def wait(policy: RetryPolicy, failures: int, waits: int, asked: float | None) -> float:
    """Seconds until a suspended attempt goes on: what was `asked` for, or what has grown by now.

    `waits` came one after the other without a turn between them, this one included; with each
    failure that they made they go on growing.
    """
    grown = delay(policy, failures * policy.max + waits)
    return min(max(asked or 0.0, grown), LONGEST_WAIT)
