"""One thing with all that belongs to it: an execution, a task, a milestone, a check, a project."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select

from conductor_app.errors import NotFound
from conductor_app.store import projects, workflows
from conductor_app.store import tasks as task_rows
from conductor_app.store.database import Transaction
from conductor_app.store.tables import attempts, check_results, milestones, tasks
from conductor_app.views import current, items
from conductor_app.views.paging import Item


def project(tx: Transaction, project_id: str) -> Item:
    return items.project(projects.get(tx, project_id))


def execution(tx: Transaction, execution_id: str) -> Item:
    return items.execution(current.execution(tx, execution_id))


def task(tx: Transaction, execution_id: str, key: str) -> Item:
    """The newest generation of a task: with its prompt, needs, notes, attempts and checks."""
    owner = current.execution(tx, execution_id)
    row = task_rows.current(tx, execution_id, key)
    if row is None:
        raise NotFound(f"There is no task {key} in execution {execution_id}.")
    spec = workflows.of_version(tx, owner.workflow_version).task(key)
    tries = of_task(tx, row.id)
    return {
        **items.task(row),
        "prompt": spec.prompt,
        "produces": list(spec.produces),
        "timeout": spec.timeout,
        "needs": _needs(tx, row),
        "notes": row.notes,
        "attempts": [items.attempt(each) for each in tries],
        "checks": _results(tx, check_results.c.attempt_id.in_([each.id for each in tries]), owner),
    }


def of_task(tx: Transaction, task_id: str) -> Sequence[Row[Any]]:
    """The attempts at a generation of a task, in their order."""
    return tx.all(
        select(attempts, tasks.c.key.label("task_key"))
        .join(tasks, tasks.c.id == attempts.c.task_id)
        .where(attempts.c.task_id == task_id)
        .order_by(attempts.c.number)
    )


def milestone(tx: Transaction, execution_id: str, key: str) -> Item:
    """A milestone with its tasks and the newest results of its checks."""
    owner = current.execution(tx, execution_id)
    row = tx.first(
        select(milestones).where(
            milestones.c.execution_id == execution_id,
            milestones.c.key == key,
            milestones.c.current,
        )
    )
    if row is None:
        raise NotFound(f"There is no milestone {key} in execution {execution_id}.")
    spec = workflows.of_version(tx, owner.workflow_version).milestone(key)
    members = [
        {"key": each.key, "title": each.title, "status": each.status}
        for each in task_rows.all_current(tx, execution_id, row.phase)
        if each.milestone == key
    ]
    judged = check_results.c.role == "milestone"
    return {
        **items.milestone(row),
        "required_agents": list(spec.required_agents),
        "tasks": members,
        "checks": _results(tx, judged & (check_results.c.subject == key), owner),
    }


def check(tx: Transaction, check_id: str) -> Item:
    row = tx.first(select(check_results).where(check_results.c.id == check_id))
    if row is None:
        raise NotFound(f"There is no check result {check_id}.")
    return items.check(row)


def _needs(tx: Transaction, task: Row[Any]) -> list[Item]:
    keys = task_rows.needs_of(tx, task.id)
    statement = select(tasks.c.key, tasks.c.status).where(
        tasks.c.execution_id == task.execution_id, tasks.c.key.in_(keys), tasks.c.current
    )
    return [
        {"key": row.key, "status": row.status} for row in tx.all(statement.order_by(tasks.c.key))
    ]


def _results(tx: Transaction, condition: Any, owner: Row[Any]) -> list[Item]:
    """The results of the newest run that the condition allows."""
    statement = (
        select(check_results)
        .where(check_results.c.execution_id == owner.id, condition)
        .order_by(check_results.c.id)
    )
    rows = tx.all(statement)
    return [items.check(row) for row in rows if row.job_id == rows[-1].job_id]
