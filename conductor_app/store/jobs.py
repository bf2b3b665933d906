"""Jobs: the only thing a worker claims. Every write names the state and fence it expects."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Row, bindparam, func, insert, or_, select, text, update

from conductor_app.domain.states import JobState
from conductor_app.ids import new_id
from conductor_app.queue import SYSTEM_QUEUE
from conductor_app.store import executions as execution_rows
from conductor_app.store.database import Transaction
from conductor_app.store.prepared import Prepared, among
from conductor_app.store.tables import (
    OPEN_JOB,
    jobs,
    tasks,
)

# Later than any clock: added to the time of a job that waits for something other than time.
NEVER = 2**53

QUEUED = text("jobs.status = 'queued'")
ACTIVE = text("jobs.status = 'active'")
OPEN = OPEN_JOB


_ADD = Prepared(insert(jobs))


def add(tx: Transaction, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        tx.later(_ADD, *rows)


AND_TASKS = select(
    jobs, *(column.label(f"task_{column.name}") for column in tasks.c if column.name != "id")
).join(tasks, tasks.c.id == jobs.c.task_id, isouter=True)
_WITH_TASKS = Prepared(AND_TASKS.where(among(jobs.c.id, "ids")))


def with_tasks(tx: Transaction, ids: Iterable[str]) -> Sequence[Row[Any]]:
    """These jobs, each with its task's columns as `task_<name>` (None for a job without one)."""
    return tx.all(_WITH_TASKS, {"ids": list(ids)})


_LOCKED = Prepared(execution_rows.beside_jobs(AND_TASKS).where(among(jobs.c.id, "ids")))


def locked(tx: Transaction, ids: Sequence[str]) -> Sequence[Row[Any]]:
    """The same, with their executions locked and known as `tx.locked`."""
    execution_rows.lock_of_jobs(tx, ids)
    rows = tx.all(_LOCKED, {"ids": list(ids)})
    execution_rows.know(tx, rows)
    return rows


def add_system(
    tx: Transaction, kind: str, execution_id: str, payload: dict[str, Any], **values: Any
) -> str:
    """Queue a job of Conductor's own: a check run, an integration, a checkpoint, a rollback."""
    row = {
        "id": new_id(),
        "kind": kind,
        "execution_id": execution_id,
        "queue": SYSTEM_QUEUE,
        "status": JobState.QUEUED,
        "priority": 1000,
        "payload": payload,
        "created_at": tx.now,
        **values,
    }
    add(tx, [row])
    tx.events.record(execution_id, f"job.{kind}_queued", job=row["id"])
    return str(row["id"])


def get(tx: Transaction, job_id: str) -> Row[Any] | None:
    return tx.first(select(jobs).where(jobs.c.id == job_id))


_TAKE = Prepared(
    update(jobs)
    .where(among(jobs.c.id, "ids"), QUEUED)
    .values(
        status="active",
        claims=jobs.c.claims + 1,
        fence=jobs.c.fence + 1,
        lease_until=bindparam("until"),
        worker_id=bindparam("worker"),
    )
)


def take(tx: Transaction, ids: Sequence[str], worker_id: str, lease_until: int) -> None:
    """queued -> active, with the claim counted, the fence raised and the lease set."""
    tx.later(_TAKE, {"ids": list(ids), "until": lease_until, "worker": worker_id})


_END = Prepared(
    update(jobs)
    .where(jobs.c.id == bindparam("job"), ACTIVE, jobs.c.fence == bindparam("held_fence"))
    .values(status=bindparam("new_status"), finished_at=bindparam("now"), lease_until=None)
)


def end(tx: Transaction, ended: Iterable[tuple[str, int]], state: JobState) -> None:
    """End (job id, fence) each."""
    rows = [
        {"job": id_, "held_fence": fence, "new_status": state, "now": tx.now}
        for id_, fence in ended
    ]
    if rows:
        tx.later(_END, *rows)


def requeue(tx: Transaction, job: Row[Any], *, not_before: int = 0, **values: Any) -> bool:
    """active -> queued: the fence rises with the next claim, so that the old holder is refused."""
    return bool(
        tx.run(
            update(jobs)
            .where(jobs.c.id == job.id, ACTIVE, jobs.c.fence == job.fence)
            .values(
                status=JobState.QUEUED,
                not_before=not_before,
                hinted_at=None,
                lease_until=None,
                **values,
            )
        )
    )


def cancel(tx: Transaction, job_ids: Sequence[str]) -> None:
    """End open jobs; one that is active loses its fence, so that its holder is refused."""
    tx.run(
        update(jobs)
        .where(jobs.c.id.in_(list(job_ids)), OPEN)
        .values(
            status=JobState.CANCELLED,
            fence=jobs.c.fence + 1,
            finished_at=tx.now,
            lease_until=None,
        )
    )


def cancel_of_task(tx: Transaction, task_id: str) -> None:
    """End whatever job of a task is open."""
    statement = select(jobs.c.id).where(jobs.c.task_id == task_id, OPEN)
    cancel(tx, [row.id for row in tx.all(statement)])


def park(tx: Transaction, task_id: str) -> None:
    """Keep a queued attempt from being sent or claimed until its task is queued again."""
    parked = {"not_before": jobs.c.not_before % NEVER + NEVER, "hinted_at": None}
    tx.run(update(jobs).where(jobs.c.task_id == task_id, QUEUED).values(**parked))


def unpark(tx: Transaction, task_id: str) -> None:
    """Let it be sent, though not before the time that a retry has still to wait for."""
    due = {"not_before": jobs.c.not_before % NEVER, "hinted_at": None}
    tx.run(update(jobs).where(jobs.c.task_id == task_id, QUEUED).values(**due))


def hurry(tx: Transaction, execution_id: str, task_id: str) -> int:
    """Let what a task waits with be due now, and what Conductor itself waits with; how many."""
    waiting = (jobs.c.not_before > tx.now, jobs.c.not_before < NEVER, QUEUED)
    mine = or_(jobs.c.task_id == task_id, jobs.c.kind != "attempt")
    statement = update(jobs).where(jobs.c.execution_id == execution_id, mine, *waiting)
    return tx.run(statement.values(not_before=0, hinted_at=None))


def change(tx: Transaction, ids: Collection[str], **values: Any) -> int:
    return tx.run(update(jobs).where(jobs.c.id.in_(list(ids))).values(**values))


def renew(tx: Transaction, worker_id: str, job_ids: Collection[str], lease_until: int) -> None:
    """Prolong the leases that this worker still holds.

    A job that is being changed this moment is left out: its next renewal comes long before its
    lease ends, and waiting here, without the execution's lock, could end in a deadlock.
    """
    mine = (
        select(jobs.c.id)
        .where(jobs.c.id.in_(list(job_ids)), ACTIVE, jobs.c.worker_id == worker_id)
        .with_for_update(skip_locked=True)
    )
    tx.run(update(jobs).where(jobs.c.id.in_(mine)).values(lease_until=lease_until))


def held(tx: Transaction, worker_id: str, job_ids: Collection[str]) -> dict[str, int]:
    """The fences of those of these jobs that the worker still holds."""
    statement = select(jobs.c.id, jobs.c.fence).where(
        jobs.c.id.in_(list(job_ids)), ACTIVE, jobs.c.worker_id == worker_id
    )
    return {row.id: row.fence for row in tx.all(statement)}


def expired(tx: Transaction, limit: int = 500) -> Sequence[Row[Any]]:
    return tx.all(select(jobs).where(ACTIVE, jobs.c.lease_until < tx.now).limit(limit))


def open_of(tx: Transaction, execution_id: str, kind: str | None = None) -> Sequence[Row[Any]]:
    statement = select(jobs).where(jobs.c.execution_id == execution_id, OPEN)
    if kind:
        statement = statement.where(jobs.c.kind == kind)
    return tx.all(statement.order_by(jobs.c.id))


_ACTIVE_ON = Prepared(select(func.count()).where(jobs.c.queue == bindparam("of_queue"), ACTIVE))


def active(tx: Transaction, queue: str) -> int:
    return int(tx.value(_ACTIVE_ON, {"of_queue": queue}))


def active_by_worker(tx: Transaction) -> dict[str, int]:
    """How many jobs each worker is at."""
    statement = select(jobs.c.worker_id, func.count().label("n")).where(ACTIVE)
    return {row.worker_id: row.n for row in tx.all(statement.group_by(jobs.c.worker_id))}
