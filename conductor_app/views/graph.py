"""An execution drawn: what needs what, and what happened when."""

from typing import Any

from sqlalchemy import select

from conductor_app.store import phases, tables, tasks
from conductor_app.store.database import Transaction
from conductor_app.views.units import iso


def graph(tx: Transaction, execution_id: str) -> dict[str, Any]:
    """Tasks as `nodes`, needs as `edges` from the task needed to the one that needs it."""
    rows = tasks.all_current(tx, execution_id)
    keys = {row.id: row.key for row in rows}
    needs = tx.all(
        select(tables.task_needs)
        .where(tables.task_needs.c.execution_id == execution_id)
        .order_by(tables.task_needs.c.task_id, tables.task_needs.c.need_key)
    )
    shown = ("id", "key", "title", "agent", "phase", "milestone", "status", "priority")
    return {
        "nodes": [{name: getattr(row, name) for name in shown} for row in rows],
        "edges": [
            {"from": need.need_key, "to": keys[need.task_id]}
            for need in needs
            if need.task_id in keys
        ],
    }


def timeline(tx: Transaction, execution_id: str) -> dict[str, Any]:
    """When each phase and each attempt began and ended; null while it has not."""
    table = tables.attempts
    attempts = tx.all(
        select(table, tables.tasks.c.key, tables.tasks.c.agent)
        .join(tables.tasks, tables.tasks.c.id == table.c.task_id)
        .where(table.c.execution_id == execution_id)
        .order_by(table.c.started_at, table.c.id)
    )
    return {
        "phases": [
            {
                "number": row.number,
                "name": row.name,
                "status": row.status,
                "started_at": iso(row.started_at),
                "finished_at": iso(row.completed_at),
            }
            for row in phases.all_current(tx, execution_id)
        ],
        "attempts": [
            {
                "id": row.id,
                "task": row.key,
                "agent": row.agent,
                "number": row.number,
                "status": row.status,
                "started_at": iso(row.started_at),
                "finished_at": iso(row.finished_at),
            }
            for row in attempts
        ],
    }
