"""The tick: whatever a lost message or a dead process left undone is found by its rows and done."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from conductor_app.engine import attempt_ends, budgets, dispatch, system_ends, working_time
from conductor_app.engine.settle import block, settle
from conductor_app.queue import ISOLATED_QUEUE
from conductor_app.store import executions, hints, jobs, leases, records
from conductor_app.store import workers as worker_rows
from conductor_app.store.database import Database, Transaction
from conductor_app.store.executions import Execution

TICK_LEASE = "tick"
# After this many lost leases a job runs alone; lost once more, it is not tried again.
ISOLATE_AFTER = 2


@dataclass(frozen=True)
class Timing:
    """Everything in milliseconds."""

    tick: int = 5_000
    lease: int = 30_000
    hint_lost: int = 30_000


def tick(database: Database, holder: str, timing: Timing) -> bool:
    """One pass over everything unfinished; False when another process holds the tick's lease.

    An execution that can't be moved on holds up no other: its failure is raised when all were
    looked at, in an ExceptionGroup.
    """
    with database.transaction() as tx:
        lease = leases.take(tx, TICK_LEASE, holder, timing.tick, gap=3 * timing.tick)
        if lease is None:
            return False
        # One that was itself out of contact judges nobody's silence yet.
        may_expire = tx.now - lease.since >= timing.lease
        lost = [(row.execution_id, row.id) for row in jobs.expired(tx)] if may_expire else []
        _forget_lost_hints(tx, timing.hint_lost)
        open_ids = executions.open_ids(tx)
    failures: list[Exception] = []
    for execution_id, job_id in lost:
        with _apart(database, failures) as tx:
            expire(tx, execution_id, job_id)
    with _apart(database, failures) as tx:
        budgets.settle_left_behind(tx)
    for execution_id in open_ids:
        with _apart(database, failures) as tx:
            execution = executions.lock(tx, execution_id)
            if execution is not None:
                working_time.count(tx, execution)
                dispatch.top_up(tx, settle(tx, execution))
    due(database)
    if failures:
        raise ExceptionGroup("Some executions could not be moved on", failures)
    return True


@contextmanager
def _apart(database: Database, failures: list[Exception]) -> Iterator[Transaction]:
    """A transaction of its own, whose failure is kept for later."""
    try:
        with database.transaction() as tx:
            yield tx
    except Exception as failure:
        failures.append(failure)


def due(database: Database) -> None:
    """Send what a retry's waiting time held back until now."""
    with database.transaction() as tx:
        dispatch.top_up(tx, hints.missing(tx))


def expire(tx: Transaction, execution_id: str, job_id: str) -> None:
    """A worker fell silent: its job is queued again, alone after two, never after three."""
    execution = executions.lock(tx, execution_id)
    job = jobs.get(tx, job_id)
    if execution is None or job is None or not _silent(tx, job):
        return
    worn_out = job.lost_leases >= ISOLATE_AFTER
    if worn_out and job.kind == "attempt":
        _quarantine(tx, execution, job)
        return
    if worn_out and job.kind == "check":
        message = "Three workers were lost while they ran the same checks."
        records.add_error(
            tx, execution.id, execution.current_phase, "critical", "QUARANTINED", message
        )
        block(tx, execution, f"{message} Way out: see `conductor logs`, then `conductor start`.")
    alone = job.lost_leases + 1 >= ISOLATE_AFTER and job.kind in ("attempt", "check")
    queue = ISOLATED_QUEUE if alone else system_ends.queue_of(job)
    system_ends.lost(tx, job, queue)
    dispatch.top_up(tx, [queue, job.queue])


def _quarantine(tx: Transaction, execution: Execution, job: Row[Any]) -> None:
    attempt_id = records.active_attempt(tx, job.task_id)
    if attempt_id:
        records.lose_attempt(tx, attempt_id)
    dispatch.top_up(tx, attempt_ends.quarantine(tx, execution, job))


def _silent(tx: Transaction, job: Row[Any]) -> bool:
    return bool(job.status == "active" and job.lease_until < tx.now)


def _forget_lost_hints(tx: Transaction, lost_after: int) -> None:
    """A hint is lost when it is old and its queue has a free slot that would have taken it."""
    busy = jobs.active_by_worker(tx)
    idle = [
        worker
        for worker in worker_rows.fresh(tx, dispatch.SILENCE)
        if busy.get(worker.id, 0) < worker.slots
    ]
    free = {queue for worker in idle for queue in worker.queues}
    before = tx.now - lost_after
    for queue in hints.older(tx, before):
        if queue in free:
            hints.forget_before(tx, queue, before)
