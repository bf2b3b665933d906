"""The one thing that an id names, as an item; NotFound when there is none."""

from typing import Any, NoReturn

from sqlalchemy import Row, select

from conductor_app.domain.workflow import Workflow
from conductor_app.errors import NotFound
from conductor_app.store import jobs, needs, phases, tables, tasks, workflows
from conductor_app.store.database import Transaction
from conductor_app.views import current, items
from conductor_app.views.units import iso


def task_row(tx: Transaction, task_id: str) -> Row[Any]:
    return tasks.get(tx, task_id) or _nothing("task", task_id)


def task(tx: Transaction, task_id: str) -> dict[str, Any]:
    """A task with its orders, what it needs, and what its next attempt is told (`notes`)."""
    row = task_row(tx, task_id)
    spec = _workflow(tx, row.execution_id).task(row.key)
    return {
        **items.task(row),
        "prompt": spec.prompt,
        "produces": list(spec.produces),
        "timeout": spec.timeout,
        "needs": needs.of(tx, row.id),
        "notes": row.notes,
    }


def attempt_row(tx: Transaction, task_id: str, attempt_id: str | None = None) -> Row[Any]:
    """An attempt at this task; the newest, when none is named."""
    table = tables.attempts
    statement = select(table).where(table.c.task_id == task_id).order_by(table.c.number.desc())
    if attempt_id is not None:
        statement = statement.where(table.c.id == attempt_id)
    row = tx.first(statement.limit(1))
    if row is None and attempt_id is None:
        raise NotFound("Nobody has tried this task yet.")
    return row or _nothing("attempt at this task", str(attempt_id))


def milestone_row(tx: Transaction, milestone_id: str) -> Row[Any]:
    return phases.milestone(tx, milestone_id) or _nothing("milestone", milestone_id)


def milestone(tx: Transaction, milestone_id: str) -> dict[str, Any]:
    """A milestone with its tasks, and the results of its checks, the newest first (`checks`)."""
    row = milestone_row(tx, milestone_id)
    spec = _workflow(tx, row.execution_id).milestone(row.key)
    members = [
        {"id": each.id, "key": each.key, "title": each.title, "status": each.status}
        for each in tasks.all_current(tx, row.execution_id, row.phase)
        if each.milestone == row.key
    ]
    table = tables.check_results
    statement = select(table).where(
        table.c.execution_id == row.execution_id,
        table.c.subject == row.key,
        table.c.role == "milestone",
    )
    results = tx.all(statement.order_by(table.c.id.desc()).limit(100))
    return {
        **items.milestone(row),
        "required_agents": list(spec.required_agents),
        "tasks": members,
        "checks": [items.check(each) for each in results],
    }


def check(tx: Transaction, check_id: str) -> dict[str, Any]:
    table = tables.check_results
    return items.check(
        tx.first(select(table).where(table.c.id == check_id)) or _nothing("check result", check_id)
    )


def job(tx: Transaction, job_id: str) -> dict[str, Any]:
    """A job's state, and the check results that it has brought."""
    row = jobs.get(tx, job_id) or _nothing("job", job_id)
    table = tables.check_results
    results = tx.all(select(table).where(table.c.job_id == job_id).order_by(table.c.id))
    return {
        "id": row.id,
        "kind": row.kind,
        "execution_id": row.execution_id,
        "task_id": row.task_id,
        "queue": row.queue,
        "status": row.status,
        "claims": row.claims,
        "failures": row.failures,
        "lost_leases": row.lost_leases,
        "worker_id": row.worker_id,
        "created_at": iso(row.created_at),
        "finished_at": iso(row.finished_at),
        "checks": [items.check(each) for each in results],
    }


def _workflow(tx: Transaction, execution_id: str) -> Workflow:
    return workflows.of_version(tx, current.execution(tx, execution_id).workflow_version)


def _nothing(kind: str, id_: str) -> NoReturn:
    raise NotFound(f"There is no {kind} {id_}.")
