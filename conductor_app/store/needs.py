"""What tasks need of each other: how much is left of it, and who waits for whom."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Integer, Row, and_, bindparam, func, literal_column, select, text, update

from conductor_app.store.database import Transaction
from conductor_app.store.prepared import Prepared, among
from conductor_app.store.tables import (
    CURRENT_TASK,
    PENDING_DECISION,
    decisions,
    task_needs,
    tasks,
)
from conductor_app.store.tasks import UNFINISHED

_AMONG_KEYS = among(task_needs.c.need_key, "keys")
_DEPENDENTS = select(task_needs.c.task_id).where(
    task_needs.c.execution_id == bindparam("of_execution"), _AMONG_KEYS
)
_SHIFT = Prepared(
    update(tasks)
    .where(tasks.c.id.in_(_DEPENDENTS), UNFINISHED)
    .values(
        needs_left=tasks.c.needs_left
        + bindparam("by", type_=Integer)
        * select(func.count())
        .select_from(task_needs)
        .where(task_needs.c.task_id == tasks.c.id, _AMONG_KEYS)
        .scalar_subquery()
    )
)


def shift(tx: Transaction, execution_id: str, keys: Sequence[str], by: int) -> None:
    """Lower (-1) or raise (+1) what the unfinished tasks that need these keys still need."""
    tx.later(_SHIFT, {"of_execution": execution_id, "keys": list(keys), "by": by})


def dependents(tx: Transaction, execution_id: str, keys: Sequence[str]) -> Sequence[Row[Any]]:
    """The current tasks that need one of these, with the need (`need_key`)."""
    return tx.all(
        select(tasks, task_needs.c.need_key)
        .join(task_needs, task_needs.c.task_id == tasks.c.id)
        .where(
            task_needs.c.execution_id == execution_id,
            task_needs.c.need_key.in_(keys),
            CURRENT_TASK,
        )
    )


_JOINS = text("tasks.status = 'waiting' AND tasks.needs_left = 1")
_first = (
    select(
        tasks.c.id,
        tasks.c.key,
        tasks.c.agent,
        task_needs.c.need_key,
        task_needs.c.execution_id,
        literal_column("1", Integer).label("depth"),
    )
    .join(task_needs, task_needs.c.task_id == tasks.c.id)
    .where(
        task_needs.c.execution_id == bindparam("of_execution"),
        _AMONG_KEYS,
        _JOINS,
    )
    .cte("ahead", recursive=True)
)
_ahead = _first.union_all(
    select(
        tasks.c.id,
        tasks.c.key,
        tasks.c.agent,
        task_needs.c.need_key,
        task_needs.c.execution_id,
        _first.c.depth + 1,
    )
    .join(task_needs, task_needs.c.task_id == tasks.c.id)
    .join(
        _first,
        # No constant, so that no planner begins with all that the execution needs.
        and_(
            _first.c.key == task_needs.c.need_key,
            _first.c.execution_id == task_needs.c.execution_id,
        ),
    )
    .where(
        _first.c.depth < bindparam("deepest"),
        _JOINS,
    )
)
_AHEAD = Prepared(select(_ahead).limit(1000))


def ahead(
    tx: Transaction, execution_id: str, keys: Sequence[str], deepest: int
) -> Sequence[Row[Any]]:
    """Waiting tasks that one of these releases, directly or through each other (`need_key`).

    Each waits for that one need only, so that nothing else can hold it back.
    """
    wanted = {"of_execution": execution_id, "keys": list(keys), "deepest": deepest}
    return tx.all(_AHEAD, wanted)


def of(tx: Transaction, task_id: str) -> list[str]:
    statement = select(task_needs.c.need_key).where(task_needs.c.task_id == task_id)
    return [row.need_key for row in tx.all(statement.order_by(task_needs.c.need_key))]


def by_key(tx: Transaction, execution_id: str) -> dict[str, list[str]]:
    """What each current task of an execution needs."""
    needed: dict[str, list[str]] = {}
    statement = (
        select(tasks.c.key, task_needs.c.need_key)
        .join(task_needs, task_needs.c.task_id == tasks.c.id)
        .where(tasks.c.execution_id == execution_id, CURRENT_TASK)
    )
    for row in tx.all(statement):
        needed.setdefault(row.key, []).append(row.need_key)
    return needed


def recount(tx: Transaction, execution_id: str, task_ids: Sequence[str]) -> None:
    """Count anew what these tasks still need."""
    need = tasks.alias("need")
    left = (
        select(func.count())
        .select_from(
            task_needs.join(
                need,
                and_(
                    need.c.execution_id == execution_id,
                    need.c.key == task_needs.c.need_key,
                    need.c.current,
                ),
            )
        )
        .where(
            task_needs.c.task_id == tasks.c.id,
            need.c.status.not_in(("completed", "skipped")),
        )
        .scalar_subquery()
    )
    asked = (
        select(func.count())
        .where(decisions.c.task_id == tasks.c.id, PENDING_DECISION)
        .scalar_subquery()
    )
    statement = update(tasks).where(tasks.c.id.in_(list(task_ids)))
    tx.run(statement.values(needs_left=left + asked))
