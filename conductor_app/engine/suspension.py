"""Attempts and check runs that wait: they hold no worker, and the next one goes on with the job."""

from typing import Any

from sqlalchemy import Row

from conductor_app.domain import retry
from conductor_app.domain.outcome import Failed, Suspended
from conductor_app.domain.states import AttemptState, ExecutionState, PauseReason
from conductor_app.engine import attempt_ends, decisions, requeue
from conductor_app.store import jobs, records, workflows
from conductor_app.store.database import Transaction
from conductor_app.store.executions import Execution
from conductor_app.store.records import AttemptEnd

# Of a wait that no number of tries ends, such as for what others have reserved: in seconds.
LONGEST_UNBOUNDED = 60.0
# Of a check run's wait, where nobody says how long.
LONGEST_GROWN = 300.0


def suspended(
    tx: Transaction, execution: Execution, job: Row[Any], attempt_id: str, outcome: Suspended
) -> list[str]:
    """The job is queued again for when the wait is over; no failure is counted.

    Unless it has waited so often in vain that waiting is the failure.
    """
    task = attempt_ends.task_of(tx, job)
    policy = workflows.of_version(tx, execution.workflow_version).task(task.key).retry
    waits = _waits(tx, task, attempt_id, outcome)
    if outcome.bounded and (waits > policy.max or outcome.kind not in policy.on):
        return attempt_ends.failed(tx, execution, job, attempt_id, _in_vain(outcome, waits))
    end(tx, attempt_id, outcome)
    if outcome.question is not None:
        return decisions.ask(tx, execution, job, task, attempt_id, outcome.question)
    seconds = 0.0 if outcome.pauses else retry.wait(policy, task.failures, waits, outcome.seconds)
    if not outcome.bounded:
        seconds = min(seconds, LONGEST_UNBOUNDED)
    jobs.requeue(tx, job, not_before=tx.now + int(seconds * 1000))
    requeue.back(tx, task)
    if outcome.pauses:
        _pause(tx, execution, outcome)
    return []


def check_waits(
    tx: Transaction, execution: Execution, job: Row[Any], outcome: Suspended
) -> list[str]:
    """The same of a check run whose reviewer has to wait, or may not spend."""
    waits = job.payload.get("waits", 0) + 1
    until = tx.now + int(_of_check(outcome, waits) * 1000)
    # Waits are no tries; and by when this one ends, who looks on knows that it was told of.
    payload = {**job.payload, "waits": waits, "waits_until": until}
    jobs.requeue(tx, job, not_before=until, payload=payload)
    if outcome.pauses:
        _pause(tx, execution, outcome)
    else:
        subject = _subject(tx, execution, job)
        tx.events.record(execution.id, "job.waits", job=job.id, reason=outcome.reason, **subject)
    return [str(job.queue)]


def _of_check(outcome: Suspended, waits: int) -> float:
    """In seconds: what was asked for, or what has grown by now."""
    if outcome.pauses:
        return 0.0
    grown = min(LONGEST_GROWN, 2.0 ** min(waits, 10))
    longest = retry.LONGEST_WAIT if outcome.bounded else LONGEST_UNBOUNDED
    return min(max(outcome.seconds or 0.0, grown), longest)


def _subject(tx: Transaction, execution: Execution, job: Row[Any]) -> dict[str, Any]:
    """What the check run judges, for people."""
    if "milestone" not in job.payload:
        return {"phase": job.payload["phase"]}
    workflow = workflows.of_version(tx, execution.workflow_version)
    return {"milestone": workflow.milestone(job.payload["milestone"]).name}


def _pause(tx: Transaction, execution: Execution, outcome: Suspended) -> None:
    if execution.status == ExecutionState.RUNNING:
        execution.move(
            tx,
            ExecutionState.PAUSED,
            reason=PauseReason.BUDGET_EXHAUSTED,
            reason_detail=outcome.reason,
        )


def end(tx: Transaction, attempt_id: str, outcome: Suspended) -> None:
    """The attempt has ended; its successor has an account of its own."""
    ended = AttemptEnd(
        attempt_id,
        AttemptState.SUSPENDED,
        outcome.usage,
        outcome.sandbox,
        outcome.connector,
        error_kind=outcome.kind,
        error_message=outcome.reason,
    )
    records.end_attempts(tx, [ended])


def _waits(tx: Transaction, task: Row[Any], attempt_id: str, outcome: Suspended) -> int:
    """How many waits of this kind came one after the other, without a turn between them."""
    waits = 1
    if outcome.usage.turns:
        return waits
    for row in records.attempts_at(tx, task.id):
        if row.id == attempt_id:
            continue
        if row.round != task.failures + 1:
            break
        if row.status == AttemptState.SUSPENDED and row.error_kind == outcome.kind:
            waits += 1
        if row.turns:
            break
    return waits


def _in_vain(outcome: Suspended, waits: int) -> Failed:
    often = f" It has waited {waits - 1} times for that." if waits > 1 else ""
    return Failed(
        outcome.kind,
        f"{outcome.reason}{often}",
        usage=outcome.usage,
        sandbox=outcome.sandbox,
        connector=outcome.connector,
    )
