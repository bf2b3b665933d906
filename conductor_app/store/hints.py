"""Hints: what a queue is told of its jobs, and whose turn it is to be told there."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, and_, bindparam, exists, func, not_, or_, select, text, update

from conductor_app.store import jobs as job_rows
from conductor_app.store.database import Transaction
from conductor_app.store.jobs import AND_TASKS, QUEUED
from conductor_app.store.prepared import Prepared, among
from conductor_app.store.tables import OPEN_EXECUTION, executions, jobs, shares, tasks

UNHINTED = (QUEUED, jobs.c.hinted_at.is_(None))


def missing(tx: Transaction) -> list[str]:
    """The queues that have jobs which they were not told of."""
    statement = select(jobs.c.queue).where(*UNHINTED).distinct()
    return [row.queue for row in tx.all(statement)]


_COUNT = Prepared(
    select(func.count()).where(
        jobs.c.queue == bindparam("of_queue"), QUEUED, jobs.c.hinted_at.is_not(None)
    )
)


def count(tx: Transaction, queue: str) -> int:
    return int(tx.value(_COUNT, {"of_queue": queue}))


def forget_before(tx: Transaction, queue: str, before: int) -> None:
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
        job_rows.change(tx, ids, hinted_at=None)


def forget(tx: Transaction, job_id: str) -> None:
    tx.run(update(jobs).where(jobs.c.id == job_id, QUEUED).values(hinted_at=None))


def older(tx: Transaction, before: int) -> list[str]:
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
_ALONE = Prepared(AND_TASKS.where(jobs.c.id == bindparam("job"), not_(or_(*_OTHERS))))


def waiting_alone(tx: Transaction, queue: str, job_id: str) -> Row[Any] | None:
    """This job, as `with_tasks` gives it, if no other waits in the queue."""
    return tx.first(_ALONE, {"of_queue": queue, "job": job_id, "now": tx.now})


_MARK = Prepared(
    update(jobs).where(among(jobs.c.id, "ids"), QUEUED).values(hinted_at=bindparam("now"))
)
_CHARGE = Prepared(
    update(shares)
    .where(shares.c.execution_id == bindparam("of_execution"))
    .values(virtual_time=bindparam("time"))
)


def mark(tx: Transaction, ids: Sequence[str]) -> None:
    tx.later(_MARK, {"ids": list(ids), "now": tx.now})


def charge(tx: Transaction, execution_id: str, virtual_time: float) -> None:
    tx.later(_CHARGE, {"of_execution": execution_id, "time": virtual_time})
