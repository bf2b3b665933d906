"""Signals: what agents have noticed that may need action."""

from typing import Any

from sqlalchemy import Row, select

from conductor_app.domain.signals import SignalType
from conductor_app.store.database import Transaction
from conductor_app.store.tables import signals, tasks
from conductor_app.views.paging import DEFAULT_LIMIT, Filter, Order, Page, Wanted, cut, narrowed
from conductor_app.views.units import iso

_SHOWN = select(signals, tasks.c.key.label("task"), tasks.c.agent).join(
    tasks, tasks.c.id == signals.c.task_id
)


def listed(
    tx: Transaction,
    *,
    project_id: str | None = None,
    execution_id: str | None = None,
    task: Wanted = None,
    type_: Wanted = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page:
    """The signals of an execution, of a project, or all of them; the newest first."""
    statement = narrowed(
        _SHOWN,
        Filter(signals.c.project_id, project_id),
        Filter(signals.c.execution_id, execution_id),
        Filter(tasks.c.key, task),
        Filter(signals.c.type, type_, list(SignalType)),
    )
    return cut(tx, statement, Order((signals.c.id,), descending=True), _item, limit, cursor)


def of_execution(tx: Transaction, execution_id: str) -> list[dict[str, Any]]:
    """All of an execution's, in the order in which they came."""
    mine = _SHOWN.where(signals.c.execution_id == execution_id).order_by(signals.c.id)
    return [_item(row) for row in tx.all(mine)]


def _item(row: Row[Any]) -> dict[str, Any]:
    kept = ("id", "project_id", "execution_id", "task_id", "task", "agent", "attempt_id", "type")
    return {
        **{name: getattr(row, name) for name in (*kept, "title", "detail")},
        "created_at": iso(row.created_at),
    }
