"""Jobs: the only thing a worker claims. Every write names the state and fence it expects."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Row, and_, bindparam, exists, func, insert, not_, or_, select, text, update

from conductor_app.domain.states import JobState
from conductor_app.ids import new_id
from conductor_app.queue import SYSTEM_QUEUE
from conductor_app.store import executions as execution_rows
from conductor_app.store.database import Transaction
from conductor_app.store.prepared import Prepared, among
from conductor_app.store.tables import (
    OPEN_EXECUTION,
    OPEN_JOB,
    executions,
    jobs,
    shares,
    tasks,
    workers,
)

# Later than any clock: added to the time of a job that waits for something other than time.
NEVER = 2**53

QUEUED = text("jobs.status = 'queued'")
ACTIVE = text("jobs.status = 'active'")
OPEN = OPEN_JOB
UNHINTED = (QUEUED, jobs.c.hinted_at.is_(None))


_ADD = Prepared(insert(jobs))


def add(tx: Transaction, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        tx.later(_ADD, *rows)


_AND_TASKS = select(
    jobs, *(column.label(f"task_{column.name}") for column in tasks.c if column.name != "id")
).join(tasks, tasks.c.id == jobs.c.task_id, isouter=True)
_WITH_TASKS = Prepared(_AND_TASKS.where(among(jobs.c.id, "ids")))


def with_tasks(tx: Transaction, ids: Iterable[str]) -> Sequence[Row[Any]]:
    """These jobs, each with its task's columns as `task_<name>` (None for a job without one)."""
    return tx.all(_WITH_TASKS, {"ids": list(ids)})


_LOCKED = Prepared(execution_rows.beside_jobs(_AND_TASKS).where(among(jobs.c.id, "ids")))


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


def unhinted_queues(tx: Transaction) -> list[str]:
    statement = select(jobs.c.queue).where(*UNHINTED).distinct()
    return [row.queue for row in tx.all(statement)]


_HINTED = Prepared(
    select(func.count()).where(
        jobs.c.queue == bindparam("of_queue"), QUEUED, jobs.c.hinted_at.is_not(None)
    )
)
_ACTIVE_ON = Prepared(select(func.count()).where(jobs.c.queue == bindparam("of_queue"), ACTIVE))


def hinted(tx: Transaction, queue: str) -> int:
    return int(tx.value(_HINTED, {"of_queue": queue}))


def active(tx: Transaction, queue: str) -> int:
    return int(tx.value(_ACTIVE_ON, {"of_queue": queue}))


def active_by_worker(tx: Transaction) -> dict[str, int]:
    """How many jobs each worker is at."""
    statement = select(jobs.c.worker_id, func.count().label("n")).where(ACTIVE)
    return {row.worker_id: row.n for row in tx.all(statement.group_by(jobs.c.worker_id))}


def forget_hints(tx: Transaction, queue: str, before: int) -> None:
    """Hints older than this are presumed lost: their jobs are sent again.

    No execution is locked here, so rows that somebody else holds are left for the next time.
    """
    lost = (
        select(jobs.c.id)
        .where(jobs.c.queue == queue, QUEUED, jobs.c.hinted_at < before)
        .with_for_update(skip_locked=True)
    )
    ids = [row.id for row in tx.all(lost)]
    if ids:
        change(tx, ids, hinted_at=None)


def forget_hint(tx: Transaction, job_id: str) -> None:
    tx.run(update(jobs).where(jobs.c.id == job_id, QUEUED).values(hinted_at=None))


def oldest_hints(tx: Transaction, before: int) -> list[str]:
    """The queues that have hints older than this."""
    statement = select(jobs.c.queue).where(QUEUED, jobs.c.hinted_at < before).distinct()
    return [row.queue for row in tx.all(statement)]


# What `engine.claim` would refuse is not sent either.
_SENDABLE = or_(
    and_(text("executions.status = 'running'"), executions.c.hold.is_(None)),
    executions.c.hold == jobs.c.id,
    and_(text("jobs.kind = 'integrate'"), executions.c.hold.is_(None)),
)
_SHARERS = Prepared(
    select(shares)
    .join(executions, executions.c.id == shares.c.execution_id)
    .where(
        OPEN_EXECUTION,
        select(jobs.c.id)
        .where(
            jobs.c.queue == bindparam("of_queue"),
            jobs.c.execution_id == shares.c.execution_id,
            *UNHINTED,
            jobs.c.not_before <= bindparam("now"),
            _SENDABLE,
        )
        .correlate(shares, executions)
        .exists(),
    )
    .order_by(shares.c.virtual_time, shares.c.execution_id)
    .limit(16)
    .with_for_update(of=shares, skip_locked=True)
)


def sharers(tx: Transaction, queue: str) -> Sequence[Row[Any]]:
    """The executions with something to send on this queue, the one served least first."""
    return tx.all(_SHARERS, {"of_queue": queue, "now": tx.now})


_NEXT_UNHINTED = Prepared(
    select(
        jobs.c.id,
        jobs.c.priority,
        jobs.c.execution_id,
        jobs.c.task_id,
        tasks.c.key,
        tasks.c.agent,
    )
    .join(executions, executions.c.id == jobs.c.execution_id)
    .join(tasks, tasks.c.id == jobs.c.task_id, isouter=True)
    .where(
        jobs.c.queue == bindparam("of_queue"),
        jobs.c.execution_id == bindparam("of_execution"),
        *UNHINTED,
        jobs.c.not_before <= bindparam("now"),
        _SENDABLE,
    )
    .order_by(jobs.c.priority.desc(), jobs.c.created_at, jobs.c.id)
    .limit(bindparam("most"))
    .with_for_update(of=jobs, skip_locked=True)
)


def next_unhinted(tx: Transaction, queue: str, execution_id: str, limit: int) -> Sequence[Row[Any]]:
    """What of an execution may be sent now, in the database's order, with its task's key."""
    wanted = {"of_queue": queue, "of_execution": execution_id, "now": tx.now, "most": limit}
    return tx.all(_NEXT_UNHINTED, wanted)


_others = jobs.alias("others")
_OTHERS = [
    exists().where(
        _others.c.queue == bindparam("of_queue"),
        text("others.status = 'queued'"),
        hinted,
        _others.c.not_before <= bindparam("now"),
        _others.c.id != bindparam("job"),
    )
    # Each by its own partial index.
    for hinted in (_others.c.hinted_at.is_(None), _others.c.hinted_at.is_not(None))
]
_ALONE = Prepared(_AND_TASKS.where(jobs.c.id == bindparam("job"), not_(or_(*_OTHERS))))


def waiting_alone(tx: Transaction, queue: str, job_id: str) -> Row[Any] | None:
    """This job, as `with_tasks` gives it, if no other waits in the queue."""
    return tx.first(_ALONE, {"of_queue": queue, "job": job_id, "now": tx.now})


_MARK_HINTED = Prepared(
    update(jobs).where(among(jobs.c.id, "ids"), QUEUED).values(hinted_at=bindparam("now"))
)
_CHARGE = Prepared(
    update(shares)
    .where(shares.c.execution_id == bindparam("of_execution"))
    .values(virtual_time=bindparam("time"))
)


def mark_hinted(tx: Transaction, ids: Sequence[str]) -> None:
    tx.later(_MARK_HINTED, {"ids": list(ids), "now": tx.now})


def charge(tx: Transaction, execution_id: str, virtual_time: float) -> None:
    tx.later(_CHARGE, {"of_execution": execution_id, "time": virtual_time})


def fresh_workers(tx: Transaction, within: int) -> Sequence[Row[Any]]:
    """The workers heard of in the last so many milliseconds."""
    return tx.all(
        select(workers).where(workers.c.seen_at >= tx.now - within, workers.c.status == "up")
    )
