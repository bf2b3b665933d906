"""Bringing an attempt's commit home: the winner claims the integration, anyone may finish it."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Row

from conductor_app.domain.outcome import Conflicted, Failed, Integrated, Succeeded, Unreadable
from conductor_app.domain.states import JobState, PauseReason, TaskState
from conductor_app.engine import attempt_ends, requeue
from conductor_app.engine.complete import complete
from conductor_app.engine.settle import settle
from conductor_app.ids import new_id
from conductor_app.queue import agent_queue
from conductor_app.store import jobs, records, tasks, workflows
from conductor_app.store.database import Transaction
from conductor_app.store.executions import Execution


def begin(
    tx: Transaction,
    execution: Execution,
    job: Row[Any],
    attempt_id: str,
    outcome: Succeeded,
    lease_ms: int,
) -> str:
    """active -> integrating; the new job (its id is returned, fence 1) is the winner's already."""
    task = tasks.get(tx, job.task_id)
    assert task is not None
    jobs.end(tx, [(job.id, job.fence)], JobState.SUCCEEDED)
    attempt_ends.end(tx, execution, job, task.phase, attempt_id, outcome)
    tasks.move(tx, task, TaskState.INTEGRATING, summary=outcome.summary)
    integrate = _winners_job(tx, job, lease_ms)
    integrate["payload"] = {
        "attempt_id": attempt_id,
        "commit": outcome.commit,
        "task_key": task.key,
        "lost_integrations": job.payload.get("lost_integrations", 0),
    }
    jobs.add(tx, [integrate])
    return str(integrate["id"])


def _winners_job(tx: Transaction, job: Row[Any], lease_ms: int) -> dict[str, Any]:
    """A job that needs no claim: it belongs to the worker that had this one."""
    return {
        "id": new_id(),
        "kind": "integrate",
        "execution_id": job.execution_id,
        "task_id": job.task_id,
        # The winner's slot does it; only when that is lost one of the system's.
        "queue": job.queue,
        "status": JobState.ACTIVE,
        "priority": 2000,
        "claims": 1,
        "fence": 1,
        "lease_until": tx.now + lease_ms,
        "worker_id": job.worker_id,
        "created_at": tx.now,
    }


def finish(
    tx: Transaction,
    execution: Execution,
    job: Row[Any],
    outcome: Integrated,
    inside: Collection[str],
) -> list[str]:
    """The commit is on the branch: complete the task and release its dependents."""
    jobs.end(tx, [(job.id, job.fence)], JobState.SUCCEEDED)
    task = tasks.get(tx, job.task_id)
    assert task is not None
    execution.change(tx, tip=outcome.tip)
    if task.status != TaskState.INTEGRATING:
        # Superseded meanwhile by a rollback, which moves the branch itself.
        return []
    attempt_ends.learn(tx, execution, task, task.summary or "")
    done = attempt_ends.done_task(task, outcome.commit, task.summary or "")
    return complete(tx, execution, [done], inside)


def conflict(
    tx: Transaction, execution: Execution, job: Row[Any], outcome: Conflicted
) -> list[str]:
    """The task is done again from the new tip, with the conflict in its context."""
    message = "The work conflicts with what other tasks integrated meanwhile."
    return _again(tx, execution, job, Failed("CONFLICT", message, outcome.detail))


def unreadable(
    tx: Transaction, execution: Execution, job: Row[Any], outcome: Unreadable
) -> list[str]:
    message = "The attempt's commit can't be read any more."
    return _again(tx, execution, job, Failed("TEMPORARY_FAILURE", message, outcome.detail))


def _again(tx: Transaction, execution: Execution, job: Row[Any], outcome: Failed) -> list[str]:
    """integrating -> queued with a new job. It is no reported failure: the work itself was good.

    Only as often as the retry policy allows, so that two tasks never chase each other forever.
    """
    jobs.end(tx, [(job.id, job.fence)], JobState.FAILED)
    task = tasks.get(tx, job.task_id)
    assert task is not None
    if task.status != TaskState.INTEGRATING:
        return []
    if execution.reason == PauseReason.CANCELLING:
        tasks.move(tx, task, TaskState.CANCELLED, finished_at=tx.now)
        return settle(tx, execution)
    lost = job.payload.get("lost_integrations", 0) + 1
    spec = workflows.of_version(tx, execution.workflow_version).task(task.key)
    if lost > spec.retry.max:
        return attempt_ends.lose(tx, execution, task, outcome, f"{lost} integrations failed")
    notes = attempt_ends.noted(task, outcome.kind, outcome.message, outcome.detail)
    row = {
        "id": new_id(),
        "kind": "attempt",
        "execution_id": execution.id,
        "task_id": task.id,
        "queue": agent_queue(task.agent),
        "status": JobState.QUEUED,
        "priority": task.priority,
        "payload": {
            "lost_integrations": lost,
            "attempts_before": records.count_attempts(tx, task.id),
        },
        "created_at": tx.now,
    }
    jobs.add(tx, [row])
    requeue.back(tx, task, notes=notes)
    return [str(row["queue"])]
