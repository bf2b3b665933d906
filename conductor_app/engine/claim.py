"""Claiming: a worker takes a job, if it is still there to be taken."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from conductor_app.catalog import FUNCTION
from conductor_app.domain.states import JobState, TaskState
from conductor_app.domain.workflow import AgentSpec, Workflow
from conductor_app.engine import working_time
from conductor_app.ids import new_id
from conductor_app.store import hints, jobs, records, tasks, workflows
from conductor_app.store.database import Transaction
from conductor_app.store.executions import Execution


@dataclass(frozen=True)
class Claim:
    """What a worker needs to know to do a job. The fence proves that it still holds it."""

    job_id: str
    kind: str
    fence: int
    payload: dict[str, Any]
    execution_id: str
    workflow: Workflow
    inputs: dict[str, Any]
    location: str
    branch: str
    base_commit: str | None
    tip: str | None
    uses_git: bool
    connector: str | None
    phase: int
    attempt_id: str = ""
    attempt_number: int = 0
    task_id: str = ""
    task_key: str = ""
    agent: AgentSpec | None = None
    files: bool = False
    failures: int = 0
    notes: tuple[dict[str, Any], ...] = ()
    # Attempts of this round that ended without a result: this one may go on with what they left,
    # the latest first.
    earlier: tuple[str, ...] = ()
    project_id: str = ""
    # Of the execution's working time, in milliseconds; None is without limit.
    working_left: int | None = None


def claim(
    tx: Transaction, job_ids: Sequence[str], worker_id: str, lease_ms: int
) -> dict[str, Claim]:
    """Take those of these jobs that may be taken now; the others are a quiet nothing."""
    return claim_of(tx, jobs.locked(tx, job_ids), worker_id, lease_ms)


def claim_of(
    tx: Transaction, found: Sequence[Row[Any]], worker_id: str, lease_ms: int
) -> dict[str, Claim]:
    """The same of jobs as `jobs.with_tasks` gives them, whose executions are locked."""
    open_executions = tx.locked
    for execution_id in sorted({row.execution_id for row in found if row.kind == "attempt"}):
        working_time.count(tx, open_executions[execution_id])
    rows = [row for row in found if _may_be_taken(row, open_executions[row.execution_id], tx.now)]
    if len(rows) < len(found):
        able = {row.id for row in rows}
        _spend_hints(tx, [row for row in found if row.id not in able])
    if not rows:
        return {}
    jobs.take(tx, [row.id for row in rows], worker_id, tx.now + lease_ms)
    claims = {row.id: _claim(tx, row, open_executions[row.execution_id]) for row in rows}
    _begin_attempts(tx, [each for each in claims.values() if each.kind == "attempt"], worker_id)
    return claims


def _spend_hints(tx: Transaction, refused: Sequence[Row[Any]]) -> None:
    """A hint that came too early is gone: it takes no room any more, and the job's next is sent."""
    waiting = [row.id for row in refused if row.status == JobState.QUEUED and row.hinted_at]
    if waiting:
        jobs.change(tx, waiting, hinted_at=None)


def decline(tx: Transaction, job_id: str) -> None:
    """Pass a hint on without taking its job: it is sent again when the due ones are."""
    hints.forget(tx, job_id)


def _may_be_taken(job: Row[Any], execution: Execution, now: int) -> bool:
    if job.status != JobState.QUEUED or job.not_before > now:
        return False
    if job.kind == "attempt" and job.task_status != TaskState.QUEUED:
        # It waits again: something that it needs was opened.
        return False
    if execution.hold is not None:
        return bool(execution.hold == job.id) and not execution.ended
    if job.kind == "integrate":
        # What was won before a pause is brought home during it.
        return not execution.ended
    return execution.moving


def _claim(tx: Transaction, job: Row[Any], execution: Execution) -> Claim:
    workflow = workflows.of_version(tx, execution.workflow_version)
    common = {
        "job_id": job.id,
        "kind": job.kind,
        "fence": job.fence + 1,
        "payload": job.payload,
        "execution_id": execution.id,
        "workflow": workflow,
        "inputs": execution.inputs,
        "location": execution.location,
        "branch": execution.branch,
        "base_commit": execution.base_commit,
        "tip": execution.tip,
        "uses_git": execution.uses_git,
        "connector": execution.connector,
        "phase": execution.current_phase,
        "project_id": execution.project_id,
    }
    if job.kind != "attempt":
        if execution.current_phase < execution.replay_before:
            common["connector"] = "replay"
        return Claim(**common)
    agent = workflows.agents_of(tx, execution.workflow_version)[job.task_agent]
    if agent.function is not None:
        common["connector"] = FUNCTION
    elif job.task_phase < execution.replay_before:
        common["connector"] = "replay"
    else:
        # None: the settings of the worker say.
        common["connector"] = execution.connector or agent.connector
    common["phase"] = job.task_phase
    return Claim(
        **common,
        attempt_id=new_id(),
        attempt_number=job.payload.get("attempts_before", 0) + job.claims + 1,
        task_id=job.task_id,
        task_key=job.task_key,
        agent=agent,
        files=job.task_files,
        failures=job.task_failures,
        notes=tuple(job.task_notes),
        earlier=records.unfinished(tx, job.task_id, job.task_failures + 1) if job.claims else (),
        working_left=working_time.left(tx, execution.id) if workflow.budget.minutes else None,
    )


def _begin_attempts(tx: Transaction, claims: Sequence[Claim], worker_id: str) -> None:
    if not claims:
        return
    tasks.activate(tx, [each.task_id for each in claims])
    records.add_attempts(
        tx,
        [
            {
                "id": each.attempt_id,
                "execution_id": each.execution_id,
                "task_id": each.task_id,
                "number": each.attempt_number,
                "round": each.failures + 1,
                "fence": each.fence,
                "worker_id": worker_id,
                "status": "active",
                "connector": each.connector,
                "started_at": tx.now,
            }
            for each in claims
        ],
    )
    for each in claims:
        tx.events.moved(
            each.execution_id,
            "task",
            each.task_id,
            "queued",
            "active",
            key=each.task_key,
            agent=each.agent.name if each.agent else None,
            attempt=each.attempt_id,
            number=each.attempt_number,
        )
