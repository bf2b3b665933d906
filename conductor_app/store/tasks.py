"""Tasks, and the counters that say when their phases are ready."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Row, bindparam, func, insert, not_, select, text, update

from conductor_app.domain.states import TaskState
from conductor_app.store.database import Transaction
from conductor_app.store.prepared import Prepared, among
from conductor_app.store.tables import (
    CURRENT_MILESTONE,
    CURRENT_PHASE,
    CURRENT_TASK,
    FLYING_TASK,
    STUCK_TASK,
    milestones,
    phases,
    task_needs,
    tasks,
)

# Spelled out, so that the partial indexes of the same words serve these queries.
READY = text("tasks.status = 'waiting' AND tasks.needs_left = 0")
UNFINISHED = text("tasks.status IN ('waiting','queued','active','integrating')")


def add(tx: Transaction, rows: Sequence[dict[str, Any]], needs: Sequence[dict[str, Any]]) -> None:
    if rows:
        tx.run(insert(tasks), rows)
    if needs:
        tx.run(insert(task_needs), needs)


def get(tx: Transaction, task_id: str) -> Row[Any] | None:
    return tx.first(select(tasks).where(tasks.c.id == task_id))


def current(tx: Transaction, execution_id: str, key: str) -> Row[Any] | None:
    """The newest generation of a task."""
    return tx.first(
        select(tasks).where(tasks.c.execution_id == execution_id, tasks.c.key == key, CURRENT_TASK)
    )


def by_keys(tx: Transaction, execution_id: str, keys: Collection[str]) -> Sequence[Row[Any]]:
    """The newest generations of these tasks."""
    if not keys:
        return []
    of_keys = (tasks.c.execution_id == execution_id, tasks.c.key.in_(list(keys)), CURRENT_TASK)
    return tx.all(select(tasks).where(*of_keys))


def all_current(tx: Transaction, execution_id: str, phase: int | None = None) -> Sequence[Row[Any]]:
    statement = select(tasks).where(tasks.c.execution_id == execution_id, CURRENT_TASK)
    if phase is not None:
        statement = statement.where(tasks.c.phase == phase)
    return tx.all(statement.order_by(tasks.c.phase, tasks.c.position, tasks.c.id))


_OF_PHASE = (
    select(
        tasks.c.id,
        tasks.c.key,
        tasks.c.agent,
        tasks.c.priority,
        tasks.c.queued_at,
        tasks.c.phase,
    )
    .where(
        tasks.c.execution_id == bindparam("of_execution"),
        tasks.c.phase == bindparam("of_phase"),
        READY,
    )
    .order_by(tasks.c.priority.desc(), tasks.c.position)
    .limit(bindparam("most"))
)
_READY = Prepared(_OF_PHASE)
_READY_WITHOUT = Prepared(_OF_PHASE.where(not_(among(tasks.c.agent, "without"))))


def ready(
    tx: Transaction, execution_id: str, phase: int, limit: int, without: Collection[str] = ()
) -> Sequence[Row[Any]]:
    """Tasks of the phase that may be queued, in the order in which they should be."""
    wanted = {"of_execution": execution_id, "of_phase": phase, "most": limit}
    if without:
        return tx.all(_READY_WITHOUT, {**wanted, "without": list(without)})
    return tx.all(_READY, wanted)


def in_flight(tx: Transaction, execution_id: str) -> dict[str, int]:
    """How many tasks are queued, active or integrating, by agent."""
    statement = (
        select(tasks.c.agent, func.count().label("n"))
        .where(tasks.c.execution_id == execution_id, FLYING_TASK)
        .group_by(tasks.c.agent)
    )
    return {row.agent: row.n for row in tx.all(statement)}


_STUCK = Prepared(
    select(tasks.c.key, tasks.c.status).where(
        tasks.c.execution_id == bindparam("of_execution"), STUCK_TASK
    )
)


def stuck(tx: Transaction, execution_id: str) -> Sequence[Row[Any]]:
    """Failed and cancelled tasks that nothing has replaced: what needs them can't go on."""
    return sorted(tx.all(_STUCK, {"of_execution": execution_id}))


_QUEUE = Prepared(
    update(tasks)
    .where(among(tasks.c.id, "ids"), tasks.c.status == "waiting")
    .values(status="queued", queued_at=bindparam("now"))
)


def queue(tx: Transaction, ids: Sequence[str]) -> None:
    tx.later(_QUEUE, {"ids": list(ids), "now": tx.now})


_ACTIVATE = Prepared(
    update(tasks)
    .where(among(tasks.c.id, "ids"), tasks.c.status == "queued")
    .values(status="active", started_at=func.coalesce(tasks.c.started_at, bindparam("now")))
)


def activate(tx: Transaction, ids: Sequence[str]) -> None:
    tx.later(_ACTIVATE, {"ids": list(ids), "now": tx.now})


_COMPLETE = Prepared(
    update(tasks)
    .where(tasks.c.id == bindparam("task"), text("tasks.status IN ('active','integrating')"))
    .values(
        status="completed",
        commit=bindparam("new_commit"),
        summary=bindparam("new_summary"),
        finished_at=bindparam("now"),
    )
)


def complete(tx: Transaction, done: Iterable[tuple[str, str | None, str]]) -> None:
    """Complete (task id, commit, summary) each."""
    tx.later(
        _COMPLETE,
        *(
            {"task": id_, "new_commit": commit, "new_summary": summary, "now": tx.now}
            for id_, commit, summary in done
        ),
    )


def move(tx: Transaction, task: Row[Any], state: TaskState, **values: Any) -> bool:
    """A guarded change of state with its event; False when the task had left that state."""
    changed = tx.run(
        update(tasks)
        .where(tasks.c.id == task.id, tasks.c.status == task.status)
        .values(status=state, **values)
    )
    if changed:
        tx.events.moved(
            task.execution_id, "task", task.id, task.status, state, key=task.key, agent=task.agent
        )
    return bool(changed)


def hold_back(tx: Transaction, task_id: str, by: int) -> None:
    """One thing more (+1) or less (-1) that the task waits for."""
    tx.run(update(tasks).where(tasks.c.id == task_id).values(needs_left=tasks.c.needs_left + by))


def change(tx: Transaction, task_id: str, **values: Any) -> None:
    tx.run(update(tasks).where(tasks.c.id == task_id).values(**values))


_BY_IDS = Prepared(select(tasks).where(among(tasks.c.id, "ids")))


def by_ids(tx: Transaction, ids: Iterable[str]) -> Sequence[Row[Any]]:
    return tx.all(_BY_IDS, {"ids": list(ids)})


def any_commit(tx: Transaction, execution_id: str, keys: Collection[str]) -> bool:
    """Whether any generation of these tasks has brought a commit to the branch."""
    of_keys = (tasks.c.execution_id == execution_id, tasks.c.key.in_(list(keys)))
    return tx.first(select(tasks.c.id).where(*of_keys, tasks.c.commit.is_not(None))) is not None


_COUNT_OPEN = Prepared(
    update(phases)
    .where(
        phases.c.execution_id == bindparam("of_execution"),
        phases.c.number == bindparam("of_phase"),
        CURRENT_PHASE,
    )
    .values(open_tasks=phases.c.open_tasks + bindparam("by"))
)


def count_open_in_phase(tx: Transaction, execution_id: str, phase: int, by: int) -> None:
    tx.later(_COUNT_OPEN, {"of_execution": execution_id, "of_phase": phase, "by": by})


def count_open_in_milestone(tx: Transaction, execution_id: str, milestone: str, by: int) -> None:
    tx.run(
        update(milestones)
        .where(
            milestones.c.execution_id == execution_id,
            milestones.c.key == milestone,
            CURRENT_MILESTONE,
        )
        .values(open_tasks=milestones.c.open_tasks + by)
    )


def all_current_ids(tx: Transaction, execution_id: str) -> list[str]:
    statement = select(tasks.c.id).where(tasks.c.execution_id == execution_id, CURRENT_TASK)
    return [row.id for row in tx.all(statement.order_by(tasks.c.id))]
