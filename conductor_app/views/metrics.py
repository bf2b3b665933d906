"""What each agent has done in an execution: tasks, their success, the time they took."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, func, select

from conductor_app.domain.states import TaskState
from conductor_app.store.database import Transaction
from conductor_app.store.tables import attempts, tasks
from conductor_app.views.units import seconds, shown

Metrics = dict[str, dict[str, Any]]


def metrics(tx: Transaction, execution_id: str) -> Metrics:
    """By agent as shown: tasksCompleted, tasksFailed, averageDuration (s), successRate.

    Every generation counts, so a task that was done, opened again and done again counts twice;
    the average is over attempts that succeeded. What nothing is known of is None.
    """
    counted: dict[str, dict[str, int]] = {}
    for row in _tasks(tx, execution_id):
        counted.setdefault(row.agent, {})[row.status] = row.n
    took = {row.agent: float(row.took) for row in _durations(tx, execution_id)}
    return {
        shown(agent): _of_agent(counts, took.get(agent))
        for agent, counts in sorted(counted.items())
    }


def _of_agent(counts: dict[str, int], took: float | None) -> dict[str, Any]:
    completed, failed = counts.get(TaskState.COMPLETED, 0), counts.get(TaskState.FAILED, 0)
    ended = completed + failed
    return {
        "tasksCompleted": completed,
        "tasksFailed": failed,
        "averageDuration": seconds(took),
        "successRate": round(completed / ended, 4) if ended else None,
    }


def _tasks(tx: Transaction, execution_id: str) -> Sequence[Row[Any]]:
    return tx.all(
        select(tasks.c.agent, tasks.c.status, func.count().label("n"))
        .where(tasks.c.execution_id == execution_id)
        .group_by(tasks.c.agent, tasks.c.status)
    )


def _durations(tx: Transaction, execution_id: str) -> Sequence[Row[Any]]:
    took = func.avg(attempts.c.finished_at - attempts.c.started_at).label("took")
    return tx.all(
        select(tasks.c.agent, took)
        .join(tasks, tasks.c.id == attempts.c.task_id)
        .where(
            attempts.c.execution_id == execution_id,
            attempts.c.status == "succeeded",
            # Follows from the join; said again, or PostgreSQL reads every task there is.
            tasks.c.execution_id == execution_id,
        )
        .group_by(tasks.c.agent)
    )
