"""Judging a commit: each check is run, timed, and given its verdict and evidence."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from conductor_app.domain.states import Verdict
from conductor_app.domain.workflow import Check
from conductor_app.errors import ConductorError, InvalidInput
from workers.bench import Bench
from workers.checks.command import command
from workers.checks.evidence import storable, text
from workers.checks.file import file
from workers.checks.http import http
from workers.checks.load import load
from workers.checks.python import python
from workers.checks.result import CheckResult, Outcome
from workers.checks.rubric import rubric
from workers.checks.sql import sql
from workers.environment import SetupFailed
from workers.means import MeansAbsent
from workers.services import ServiceFailed

# Each takes the check of its own kind.
KINDS: Mapping[str, Callable[[Any, Bench], Outcome]] = {
    "command": command,
    "file": file,
    "http": http,
    "load": load,
    "python": python,
    "rubric": rubric,
    "sql": sql,
}
# What is not here comes in between.
_ORDER = {"file": 0, "rubric": 2}
UNASKED = "nobody was asked, since another check has failed"
# What the commit or the template has done wrong. All else, such as a sandbox that does not start,
# is not the commit's fault: it is raised, and the judging is tried again.
FAILURES = (InvalidInput, ServiceFailed, SetupFailed)


class JudgingCancelled(ConductorError):
    """The judging was cancelled; its checks say nothing about the commit."""

    code = "judging_cancelled"


def judge(checks: Sequence[Check], bench: Bench) -> list[CheckResult]:
    """The results in the order of the checks; a failure does not stop the others.

    Checks of files run first, so that they see the commit as it is and not what a command or a
    service has written since; a review comes last, and only of what all others accept. Raises
    JudgingCancelled, and what no check can judge.
    """
    order = sorted(range(len(checks)), key=lambda index: _ORDER.get(checks[index].kind, 1))
    results: dict[int, CheckResult] = {}
    for index in order:
        refused = any(each.verdict == Verdict.FAILED for each in results.values())
        if refused and checks[index].kind == "rubric":
            results[index] = _result(checks[index], bench, Verdict.SKIPPED, Outcome(False, UNASKED))
        else:
            results[index] = run_check(checks[index], bench)
    return [results[index] for index in range(len(checks))]


def run_check(check: Check, bench: Bench) -> CheckResult:
    """The verdict of one check. Raises JudgingCancelled, and what no check can judge."""
    started = time.monotonic()
    if bench.cancelled():
        raise JudgingCancelled
    verdict, outcome = _verdict(check, bench)
    if bench.cancelled():
        raise JudgingCancelled
    return _result(check, bench, verdict, outcome, round(time.monotonic() - started, 3))


def _result(
    check: Check, bench: Bench, verdict: Verdict, outcome: Outcome, seconds: float = 0.0
) -> CheckResult:
    return CheckResult(
        name=check.name,
        kind=check.kind,
        verdict=verdict,
        message=text(outcome.message),
        evidence={
            **storable(outcome.evidence),
            "commit": bench.commit,
            "tree": bench.tree,
            "duration": seconds,
        },
        seconds=seconds,
        task=check.task,
        absent=outcome.absent,
    )


def _verdict(check: Check, bench: Bench) -> tuple[Verdict, Outcome]:
    """`optional` forgives absent means and nothing else."""
    try:
        bench.require(check)
        outcome = KINDS[check.kind](check, bench)
    except MeansAbsent as absent:
        verdict = Verdict.SKIPPED if check.optional else Verdict.FAILED
        reason = {"reason": absent.message}
        return verdict, Outcome(False, absent.message, reason, absent=True)
    except FAILURES as failure:
        return Verdict.FAILED, Outcome(False, failure.message, {"reason": failure.message})
    return Verdict.PASSED if outcome.passed else Verdict.FAILED, outcome
