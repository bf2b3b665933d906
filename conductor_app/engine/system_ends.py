"""How Conductor's own jobs end: checkpoints, rollbacks, and what the infrastructure interrupted."""

from typing import Any

from sqlalchemy import Row

from conductor_app.domain.outcome import Checkpointed, Conflicted, Interrupted, RolledBack
from conductor_app.domain.states import (
    AttemptState,
    ExecutionState,
    JobState,
    PauseReason,
    PhaseState,
    TaskState,
)
from conductor_app.engine import requeue, transition
from conductor_app.engine.settle import block, settle
from conductor_app.ids import without_ids
from conductor_app.queue import SYSTEM_QUEUE
from conductor_app.store import jobs, phases, records, tasks
from conductor_app.store.database import Transaction
from conductor_app.store.executions import Execution
from conductor_app.store.records import AttemptEnd

# The kind of error that is nobody's failure.
INFRASTRUCTURE = "INFRASTRUCTURE"
# The longest wait between two tries of a job whose infrastructure fails, in milliseconds.
LONGEST_WAIT = 5 * 60_000
# For so long (milliseconds) an error that stays the same is not recorded again.
SAID_ONCE = 60 * 60_000


def checkpointed(
    tx: Transaction, execution: Execution, job: Row[Any], outcome: Checkpointed
) -> list[str]:
    jobs.end(tx, [(job.id, job.fence)], JobState.SUCCEEDED)
    for name, result in outcome.hooks.items():
        tx.events.record(execution.id, "hook.called", hook=name, result=result)
    queues = transition.passed(tx, execution, job.payload["entering"], outcome.commit, outcome.tag)
    return queues + settle(tx, execution)


def rolled_back(
    tx: Transaction, execution: Execution, job: Row[Any], outcome: RolledBack
) -> list[str]:
    """The branch is where it should be: release what waited for it."""
    jobs.end(tx, [(job.id, job.fence)], JobState.SUCCEEDED)
    execution.change(tx, hold=None, tip=outcome.tip)
    release_hold(tx, execution)
    # Hints that came while it was held were in vain.
    waiting = {each.queue for each in jobs.open_of(tx, execution.id)}
    return [*waiting, *settle(tx, execution)]


def not_reverted(
    tx: Transaction, execution: Execution, job: Row[Any], outcome: Conflicted
) -> list[str]:
    """Other work builds on the commits of a rerun: they stay, and a person decides."""
    jobs.end(tx, [(job.id, job.fence)], JobState.FAILED)
    phase = execution.current_phase
    what = f"The commits of {job.payload['task']} can't be taken back: other work builds on them."
    records.add_error(tx, execution.id, phase, "high", "CONFLICT", what, detail=outcome.detail)
    # Also where a person had paused it: going on means something else now.
    execution.move(
        tx,
        ExecutionState.PAUSED,
        hold=None,
        reason=PauseReason.BLOCKED,
        reason_detail=f"{what} Way out: `conductor rollback --to {phase}` does the whole phase "
        "again; `conductor start` does the tasks again on top of what is there.",
    )
    return []


def release_hold(tx: Transaction, execution: Execution) -> None:
    phase = phases.current(tx, execution.id, execution.current_phase)
    if phase is not None and phase.status == PhaseState.PENDING:
        phases.move(tx, phase, PhaseState.IN_PROGRESS, started_at=tx.now)


def interrupted(
    tx: Transaction, execution: Execution, job: Row[Any], outcome: Interrupted
) -> list[str]:
    """Run the job again after a while; an infrastructure failure counts against nobody.

    While it lasts the while grows, and it is recorded once for all that meet it.
    """
    if outcome.critical or not _said(tx, execution, outcome.message):
        records.add_error(
            tx,
            execution.id,
            execution.current_phase,
            "critical" if outcome.critical else "low",
            INFRASTRUCTURE,
            outcome.message,
            detail=outcome.detail,
        )
    wait = min(LONGEST_WAIT, 1000 * 2 ** min(job.claims, 10))
    jobs.requeue(tx, job, not_before=tx.now + wait, queue=queue_of(job))
    if job.kind == "attempt":
        _requeue_task(tx, job, AttemptState.RELEASED, INFRASTRUCTURE, outcome.message)
    if outcome.critical:
        block(tx, execution, f"{outcome.message} Way out: mend it, then `conductor start`.")
    return [queue_of(job)]


def _said(tx: Transaction, execution: Execution, message: str) -> bool:
    """Whether a fresh error says the same, but for the id of an attempt or a job."""
    fresh = records.open_errors(tx, execution.id, INFRASTRUCTURE, tx.now - SAID_ONCE)
    return without_ids(message) in map(without_ids, fresh)


def queue_of(job: Row[Any]) -> str:
    """Where the job is tried again: an integration was begun by its winner, on an agent's queue."""
    return SYSTEM_QUEUE if job.kind == "integrate" else str(job.queue)


def _requeue_task(
    tx: Transaction,
    job: Row[Any],
    state: AttemptState,
    error_kind: str | None = None,
    error_message: str | None = None,
) -> None:
    attempt_id = records.active_attempt(tx, job.task_id)
    if attempt_id:
        end = AttemptEnd(attempt_id, state, error_kind=error_kind, error_message=error_message)
        records.end_attempts(tx, [end])
    task = tasks.get(tx, job.task_id)
    if task is not None and task.status == TaskState.ACTIVE:
        requeue.back(tx, task)


def lost(tx: Transaction, job: Row[Any], queue: str) -> None:
    """A lease ran out: the job is queued again, on `queue`; the old holder's fence is stale."""
    jobs.requeue(tx, job, lost_leases=job.lost_leases + 1, queue=queue)
    if job.kind == "attempt":
        _requeue_task(tx, job, AttemptState.LOST)
    tx.events.record(
        job.execution_id, "job.lease_lost", job=job.id, worker=job.worker_id, fence=job.fence
    )
