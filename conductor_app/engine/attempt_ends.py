"""How attempts end: success without changes, failure and retry, release; what they used."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Row

from conductor_app.domain import retry
from conductor_app.domain.outcome import Failed, Report, Succeeded, Usage
from conductor_app.domain.states import AttemptState, JobState, TaskState
from conductor_app.engine import generations, requeue, working_time
from conductor_app.engine.complete import Done, complete
from conductor_app.engine.settle import settle
from conductor_app.store import jobs, records, tasks, workflows
from conductor_app.store.database import Transaction
from conductor_app.store.executions import Execution
from conductor_app.store.records import AttemptEnd

# How much of a failure's log the next attempt is told, in characters.
NOTE_LENGTH = 8_000
NOTES_KEPT = 5
BUDGET_EXHAUSTED = "BUDGET_EXHAUSTED"


def succeeded(
    tx: Transaction,
    execution: Execution,
    ended: "Sequence[tuple[Row[Any], Report]]",
    inside: Collection[str],
) -> list[str]:
    """Attempts that changed no file: their tasks complete in the report itself."""
    jobs.end(tx, [(job.id, job.fence) for job, _ in ended], JobState.SUCCEEDED)
    done = []
    for job, report in ended:
        outcome = report.outcome
        assert isinstance(outcome, Succeeded)
        end(tx, execution, job, job.task_phase, report.attempt_id, outcome)
        done.append(_done_job(job, outcome.summary))
        if job.task_failures:
            learn(tx, execution, task_of(tx, job), outcome.summary)
    return complete(tx, execution, done, inside)


def end(
    tx: Transaction,
    execution: Execution,
    job: Row[Any],
    phase: int,
    attempt_id: str,
    outcome: Succeeded | Failed,
) -> None:
    """The attempt has ended as it reports, and with what its task's checks said."""
    records.end_attempts(tx, [_end_of(attempt_id, outcome)])
    records.add_judgements(
        tx,
        execution.id,
        phase,
        outcome.judgements,
        job_id=job.id,
        attempt_id=attempt_id,
    )


def _end_of(attempt_id: str, outcome: Succeeded | Failed) -> AttemptEnd:
    if isinstance(outcome, Succeeded):
        return AttemptEnd(
            attempt_id,
            AttemptState.SUCCEEDED,
            outcome.usage,
            outcome.sandbox,
            outcome.connector,
            commit=outcome.commit,
            tree=outcome.tree,
        )
    return AttemptEnd(
        attempt_id,
        AttemptState.FAILED,
        outcome.usage,
        outcome.sandbox,
        outcome.connector,
        kept=outcome.kept,
        error_kind=outcome.kind,
        error_message=outcome.message,
    )


def learn(tx: Transaction, execution: Execution, task: Row[Any], summary: str) -> None:
    """A task that failed before it succeeded has taught something."""
    if not task.failures:
        return
    records.add_lesson(
        tx,
        execution.id,
        "success",
        f"{task.key} failed with {task.error_kind} ({task.error_message}) and was mended",
        phase=task.phase,
        agent=task.agent,
        impact=f"Complete after {task.failures + 1} attempts",
        action_taken=summary,
    )


def _done_job(job: Row[Any], summary: str) -> Done:
    """The same from a job that was read with its task."""
    return Done(
        job.task_id,
        job.task_key,
        job.task_agent,
        job.task_phase,
        job.task_milestone,
        job.task_status,
        None,
        summary,
    )


def task_of(tx: Transaction, job: Row[Any]) -> Row[Any]:
    task = tasks.get(tx, job.task_id)
    assert task is not None
    return task


def done_task(task: Row[Any], commit: str | None = None, summary: str = "") -> Done:
    return Done(
        task.id, task.key, task.agent, task.phase, task.milestone, task.status, commit, summary
    )


def failed(
    tx: Transaction, execution: Execution, job: Row[Any], attempt_id: str, outcome: Failed
) -> list[str]:
    """Count the failure; the task's retry policy says whether and when it is tried again."""
    task = task_of(tx, job)
    end(tx, execution, job, task.phase, attempt_id, outcome)
    if outcome.kind == BUDGET_EXHAUSTED:
        return _until_raised(tx, execution, job, task, outcome)
    spec = workflows.of_version(tx, execution.workflow_version).task(task.key)
    decision = retry.decide(spec.retry, task.failures + 1, outcome.kind, tx.now / 1000)
    if isinstance(decision, retry.GiveUp) or not outcome.retryable:
        reason = decision.reason if isinstance(decision, retry.GiveUp) else "it can't be retried"
        return _give_up(tx, execution, job, task, outcome, reason)
    severity = "medium" if decision.escalate else "low"
    _record(tx, execution, task, outcome, severity)
    _again(tx, job, task, outcome, int(decision.when * 1000))
    return []


def _until_raised(
    tx: Transaction, execution: Execution, job: Row[Any], task: Row[Any], outcome: Failed
) -> list[str]:
    """A budget was used up, which is nobody's failure: the task goes on when it was raised."""
    jobs.requeue(tx, job)
    requeue.back(tx, task)
    working_time.pause(tx, execution, outcome.message)
    return []


def _again(
    tx: Transaction, job: Row[Any], task: Row[Any], outcome: Failed, not_before: int
) -> None:
    jobs.requeue(tx, job, not_before=not_before, failures=job.failures + 1)
    requeue.back(
        tx,
        task,
        failures=task.failures + 1,
        notes=noted(task, outcome.kind, outcome.message, outcome.detail),
        error_kind=outcome.kind,
        error_message=outcome.message,
    )


def noted(task: Row[Any], kind: str, message: str, detail: str) -> list[dict[str, Any]]:
    """The task's notes with one more, for the next attempt."""
    note = {
        "round": task.failures + 1,
        "kind": kind,
        "message": message,
        "detail": detail[-NOTE_LENGTH:],
        # Of the notes only the last are kept, of this all.
        "before": generations.before(task.notes),
    }
    return [*task.notes, note][-NOTES_KEPT:]


def _give_up(
    tx: Transaction,
    execution: Execution,
    job: Row[Any],
    task: Row[Any],
    outcome: Failed,
    reason: str,
    state: JobState = JobState.FAILED,
) -> list[str]:
    jobs.end(tx, [(job.id, job.fence)], state)
    return lose(tx, execution, task, outcome, reason, failures=task.failures + 1)


def lose(
    tx: Transaction,
    execution: Execution,
    task: Row[Any],
    outcome: Failed,
    reason: str,
    **values: Any,
) -> list[str]:
    """The task has failed for good; what needs it waits for a person."""
    tasks.move(
        tx,
        task,
        TaskState.FAILED,
        error_kind=outcome.kind,
        error_message=outcome.message,
        finished_at=tx.now,
        notes=noted(task, outcome.kind, outcome.message, outcome.detail),
        **values,
    )
    _record(tx, execution, task, outcome, "high")
    records.add_lesson(
        tx,
        execution.id,
        "failure",
        f"{task.key} failed for good ({reason}): {outcome.message}",
        phase=task.phase,
        agent=task.agent,
        impact="The execution is blocked until a person decides",
    )
    return settle(tx, execution)


def quarantine(tx: Transaction, execution: Execution, job: Row[Any]) -> list[str]:
    """Three workers died of it, the last one with nothing else running: it is not tried again."""
    task = task_of(tx, job)
    message = "Three workers were lost while they ran this task, the last time alone."
    outcome = Failed("QUARANTINED", message, retryable=False)
    return _give_up(tx, execution, job, task, outcome, "quarantined", JobState.QUARANTINED)


def _record(
    tx: Transaction, execution: Execution, task: Row[Any], outcome: Failed, severity: str
) -> None:
    records.add_error(
        tx,
        execution.id,
        task.phase,
        severity,
        outcome.kind,
        outcome.message,
        detail=outcome.detail,
        agent=task.agent,
        task_key=task.key,
    )


def released(tx: Transaction, job: Row[Any], attempt_id: str) -> list[str]:
    """A draining worker gives a job back: nothing is counted."""
    jobs.requeue(tx, job)
    if job.kind == "attempt":
        records.end_attempts(tx, [AttemptEnd(attempt_id, AttemptState.RELEASED)])
        task = tasks.get(tx, job.task_id)
        assert task is not None
        requeue.back(tx, task)
    return []


def account(tx: Transaction, attempt_id: str, usage: Usage) -> None:
    """Add what an attempt used that its end tells nothing of: cancelled, given back, interrupted.

    What was spent is spent: this needs no fence.
    """
    records.add_usage(tx, attempt_id, usage)
