"""How attempts fail, and the points at which the fault tests kill a process."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from conductor_app.domain.workflow import FAILURE_KINDS
from workers.crash import CRASH_AT, CRASH_ONCE
from workers.failures import AttemptFailed, FailureKind


def test_whether_to_try_again_is_the_retry_policys_word() -> None:
    failure = AttemptFailed(FailureKind.TOOL_LIMIT, "Too much.", detail="100 calls")
    assert (failure.kind, failure.retryable) == ("TOOL_LIMIT", True)
    assert (failure.message, failure.detail) == ("Too much.", "100 calls")


def test_the_kinds_are_those_that_policies_can_name() -> None:
    assert set(FailureKind) == set(FAILURE_KINDS)


def test_it_can_be_said_otherwise_and_kinds_are_a_closed_set() -> None:
    assert not AttemptFailed("TEMPORARY_FAILURE", "No.", retryable=False).retryable
    with pytest.raises(ValueError, match="ODD"):
        AttemptFailed("ODD", "No such kind.")


def passes(point: str, **variables: str) -> bool:
    """Whether a process survives this crash point."""
    code = f"from workers import crash; crash.point({point!r}); print('passed')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        env=variables,
        capture_output=True,
        check=False,
    )
    assert done.returncode == (0 if done.stdout else -signal.SIGKILL)
    return bool(done.stdout)


def test_a_crash_point_kills_only_when_named(tmp_path: Path) -> None:
    assert passes("a.b")
    assert passes("a.b", **{CRASH_AT: "a.c"})
    assert not passes("a.b", **{CRASH_AT: "a.b"})


def test_a_crash_point_can_be_limited_to_the_first_that_comes(tmp_path: Path) -> None:
    once = {CRASH_AT: "a.b", CRASH_ONCE: str(tmp_path / "flag")}
    assert not passes("a.b", **once)
    assert passes("a.b", **once)


def test_what_a_models_provider_said_of_it_is_kept() -> None:
    failure = AttemptFailed("API_LIMIT", "Wait.", http_status=429, request_id="r", retry_after=1.5)
    assert (failure.http_status, failure.request_id, failure.retry_after) == (429, "r", 1.5)
    assert not failure.unspent
