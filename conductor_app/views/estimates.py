"""When tasks, milestones, phases and the whole will be done, by what earlier attempts took."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select

from conductor_app.catalog import AGENTS
from conductor_app.domain import estimate
from conductor_app.domain.estimate import Estimates, History, Work
from conductor_app.domain.states import NEED_MET, TaskState
from conductor_app.store import tables, workflows
from conductor_app.store.database import Transaction

# How much of the past is looked at: the newest executions, and the newest attempts of these.
EXECUTIONS = 3
ATTEMPTS = 3_000


def estimates(tx: Transaction, execution: Row[Any]) -> Estimates:
    """The seconds left for everything up to the target phase that is not done."""
    return estimate.estimates(_works(tx, execution), history(tx, execution))


def shown(estimates: Estimates) -> dict[str, Any]:
    """The estimates as plain values, in seconds; only of what is not done."""
    return {
        "remaining_seconds": round(estimates.project, 1),
        "phases": {str(number): round(left, 1) for number, left in estimates.phases.items()},
        "milestones": {key: round(left, 1) for key, left in estimates.milestones.items()},
        "tasks": {
            key: {
                "seconds": round(each.seconds, 1),
                "remaining_seconds": round(each.remaining, 1),
                "source": each.source,
            }
            for key, each in estimates.tasks.items()
            if each.remaining > 0
        },
        "critical_path": list(estimates.critical_path),
    }


def history(tx: Transaction, execution: Row[Any]) -> History:
    """What attempts took in the newest executions of the same workflow, driven the same way.

    A replay takes a fraction of what a model takes, so one says nothing of the other.
    """
    table = tables.executions
    alike = (
        select(table.c.id)
        .where(
            table.c.workflow_name == execution.workflow_name,
            table.c.connector.is_not_distinct_from(execution.connector),
        )
        .order_by(table.c.id.desc())
        .limit(EXECUTIONS)
    )
    ids = [row.id for row in tx.all(alike)]
    of_task: dict[str, list[float]] = {}
    of_agent: dict[str, list[float]] = {}
    for row in _succeeded(tx, ids):
        took = (row.finished_at - row.started_at) / 1000
        of_task.setdefault(row.key, []).append(took)
        of_agent.setdefault(row.agent, []).append(took)
    return History(of_task, of_agent)


def _succeeded(tx: Transaction, execution_ids: Sequence[str]) -> Sequence[Row[Any]]:
    attempts, tasks = tables.attempts, tables.tasks
    return tx.all(
        select(tasks.c.key, tasks.c.agent, attempts.c.started_at, attempts.c.finished_at)
        .join(tasks, tasks.c.id == attempts.c.task_id)
        .where(
            attempts.c.execution_id.in_(execution_ids),
            attempts.c.status == "succeeded",
            # Follows from the join; said again, or PostgreSQL reads every task there is.
            tasks.c.execution_id.in_(execution_ids),
        )
        .order_by(attempts.c.started_at.desc())
        .limit(ATTEMPTS)
    )


def _works(tx: Transaction, execution: Row[Any]) -> list[Work]:
    agents = workflows.of_version(tx, execution.workflow_version).all_agents(AGENTS)
    needs = _needs(tx, execution)
    began = _began(tx, execution)
    return [
        Work(
            key=row.key,
            agent=row.agent,
            phase=row.phase,
            milestone=row.milestone,
            needs=needs.get(row.id, ()),
            done=row.status == TaskState.INTEGRATING,
            **_expected(began.get(row.id), agents[row.agent].seconds(row.phase), tx.now),
        )
        for row in _unfinished(tx, execution)
    ]


def _unfinished(tx: Transaction, execution: Row[Any]) -> Sequence[Row[Any]]:
    table = tables.tasks
    return tx.all(
        select(table.c.id, table.c.key, table.c.agent, table.c.phase, table.c.milestone)
        .add_columns(table.c.status)
        .where(
            table.c.execution_id == execution.id,
            table.c.current,
            table.c.phase <= execution.target_phase,
            table.c.status.not_in(sorted(NEED_MET)),
        )
        .order_by(table.c.phase, table.c.position)
    )


def _needs(tx: Transaction, execution: Row[Any]) -> dict[str, tuple[str, ...]]:
    """By task id, the keys of what it needs."""
    table = tables.task_needs
    found: dict[str, list[str]] = {}
    statement = select(table.c.task_id, table.c.need_key)
    for row in tx.all(statement.where(table.c.execution_id == execution.id)):
        found.setdefault(row.task_id, []).append(row.need_key)
    return {id_: tuple(keys) for id_, keys in found.items()}


def _began(tx: Transaction, execution: Row[Any]) -> dict[str, Row[Any]]:
    """When the attempts that run now began, and how long they expect to take, by task id."""
    table = tables.attempts
    statement = select(table.c.task_id, table.c.started_at, table.c.expected_ms).where(
        table.c.execution_id == execution.id, table.c.status == "active"
    )
    return {row.task_id: row for row in tx.all(statement)}


def _expected(began: Row[Any] | None, specified: float, now: int) -> dict[str, Any]:
    """What is known beforehand of a task, in seconds."""
    if began is None:
        return {"expected": specified}
    told = began.expected_ms is not None
    return {
        "expected": began.expected_ms / 1000 if told else specified,
        "running_for": (now - began.started_at) / 1000,
        "told": told,
    }
