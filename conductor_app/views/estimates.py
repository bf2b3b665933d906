"""When tasks, milestones, phases and the whole will be done, by what earlier attempts took."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select

from conductor_app.catalog import AGENTS
from conductor_app.domain import estimate
from conductor_app.domain.estimate import Estimates, History, Work
from conductor_app.domain.states import NEED_MET, TaskState
from conductor_app.engine.figures import AT_WORK
from conductor_app.store import tables, workflows
from conductor_app.store import tasks as task_rows
from conductor_app.store.database import Transaction

# How much of the past is looked at: the newest executions, and the newest attempts of these.
EXECUTIONS = 20
ATTEMPTS = 5_000


def estimates(tx: Transaction, execution: Row[Any]) -> Estimates:
    """The seconds left for everything up to the target phase."""
    rows = [
        row
        for row in task_rows.all_current(tx, execution.id)
        if row.phase <= execution.target_phase
    ]
    return estimate.estimates(_works(tx, execution, rows), history(tx, execution))


def shown(estimates: Estimates) -> dict[str, Any]:
    """The estimates as plain values, in seconds; of tasks only those that are not done."""
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
        .where(attempts.c.execution_id.in_(execution_ids), attempts.c.status == "succeeded")
        .order_by(attempts.c.started_at.desc())
        .limit(ATTEMPTS)
    )


def _works(tx: Transaction, execution: Row[Any], rows: Sequence[Row[Any]]) -> list[Work]:
    workflow = workflows.of_version(tx, execution.workflow_version)
    agents = workflow.all_agents(AGENTS)
    needs = {planned.key: planned.needs for planned in workflow.plan(AGENTS)}
    began = _began(tx, execution)
    return [
        Work(
            key=row.key,
            agent=row.agent,
            phase=row.phase,
            milestone=row.milestone,
            needs=needs[row.key],
            expected=agents[row.agent].seconds(row.phase),
            running_for=(
                (tx.now - began[row.id]) / 1000
                if row.status in AT_WORK and row.id in began
                else None
            ),
            done=row.status in NEED_MET or row.status == TaskState.INTEGRATING,
        )
        for row in rows
    ]


def _began(tx: Transaction, execution: Row[Any]) -> dict[str, int]:
    """When the attempts that run now began, by task id."""
    table = tables.attempts
    statement = select(table.c.task_id, table.c.started_at).where(
        table.c.execution_id == execution.id, table.c.status == "active"
    )
    return {row.task_id: row.started_at for row in tx.all(statement)}
