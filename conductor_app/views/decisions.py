"""Decisions: what agents have asked people, and what was answered."""

from typing import Any

from sqlalchemy import Row, select

from conductor_app.domain.states import DecisionState
from conductor_app.errors import NotFound
from conductor_app.store.database import Transaction
from conductor_app.store.tables import decisions, executions, tasks
from conductor_app.views.paging import DEFAULT_LIMIT, Filter, Order, Page, Wanted, cut, narrowed
from conductor_app.views.units import iso

_SHOWN = (
    select(decisions, tasks.c.key.label("task"), tasks.c.agent, executions.c.project_id)
    .join(tasks, tasks.c.id == decisions.c.task_id)
    .join(executions, executions.c.id == decisions.c.execution_id)
)


def listed(
    tx: Transaction,
    *,
    project_id: str | None = None,
    execution_id: str | None = None,
    task: Wanted = None,
    status: Wanted = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page:
    """The decisions of an execution, of a project, or all of them; the oldest first."""
    statement = narrowed(
        _SHOWN,
        Filter(executions.c.project_id, project_id),
        Filter(decisions.c.execution_id, execution_id),
        Filter(tasks.c.key, task),
        Filter(decisions.c.status, status, list(DecisionState)),
    )
    return cut(tx, statement, Order((decisions.c.id,)), _item, limit, cursor)


def one(tx: Transaction, decision_id: str) -> dict[str, Any]:
    """Raises NotFound."""
    row = tx.first(_SHOWN.where(decisions.c.id == decision_id))
    if row is None:
        raise NotFound(f"There is no decision {decision_id}; see `conductor decisions`.")
    return _item(row)


def _item(row: Row[Any]) -> dict[str, Any]:
    kept = ("id", "project_id", "execution_id", "task_id", "task", "agent", "question", "options")
    return {
        **{name: getattr(row, name) for name in (*kept, "status", "answer")},
        "created_at": iso(row.created_at),
        "answered_at": iso(row.answered_at),
    }
