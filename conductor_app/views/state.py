"""The state of an execution as document 000 keeps it: `state.json`, and its errors."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select

from conductor_app.engine.figures import figures
from conductor_app.store import tables
from conductor_app.store.database import Transaction
from conductor_app.views import connectors
from conductor_app.views.current import execution as find
from conductor_app.views.metrics import metrics
from conductor_app.views.status import status
from conductor_app.views.units import iso, shown

Item = dict[str, Any]
# The file is for reading: what is older stays in the database.
ERRORS = 100
# Fields of the status that the document leaves out.
KEPT = (
    "executionId",
    "project",
    "workflow",
    "connector",
    "status",
    "reason",
    "reasonDetail",
    "nextStep",
)


def state(tx: Transaction, execution_id: str, default_connector: str = connectors.REPLAY) -> Item:
    """The document's fields with their names, then what it leaves out. Raises NotFound."""
    row = find(tx, execution_id)
    # Read first: what happens meanwhile makes the state newer than it says, never older.
    last = last_event(tx, row.id)
    known = figures(tx, row)
    now = status(tx, execution_id, default_connector)
    return {
        "currentPhase": row.current_phase,
        "completedPhases": now["completedPhases"],
        "activeAgents": now["activeAgents"],
        "phaseStatuses": {str(each.number): each.status for each in known.phases},
        "milestones": {_milestone_key(each): _milestone(each) for each in known.milestones},
        "tasks": [_task(each) for each in _tasks(tx, row)],
        "metrics": metrics(tx, row.id),
        "startedAt": now["startedAt"],
        "lastUpdated": now["lastUpdated"],
        "autoAdvanceEnabled": now["autoAdvanceEnabled"],
        "errors": [_error(each) for each in _errors(tx, row.id)],
        **{name: now[name] for name in KEPT},
        "overallProgress": now["overallProgress"],
        "lastEvent": last,
    }


def text(state: Item) -> str:
    return json.dumps(state, indent=2, ensure_ascii=False) + "\n"


def last_event(tx: Transaction, execution_id: str) -> int:
    """The number of the newest event: as long as it is the same, so is the state."""
    stream = tables.streams.c.stream == f"execution:{execution_id}"
    return int(tx.value(select(tables.streams.c.last_number).where(stream)) or 0)


def _milestone_key(row: Row[Any]) -> str:
    return f"phase-{row.key.replace('/', '-', 1)}"


def _milestone(row: Row[Any]) -> Item:
    return {
        "name": row.name,
        "phase": row.phase,
        "status": row.status,
        "completedAt": iso(row.completed_at),
    }


def _tasks(tx: Transaction, execution: Row[Any]) -> Sequence[Row[Any]]:
    table = tables.tasks
    shown_columns = ("id", "key", "phase", "agent", "title", "status", "error_message")
    return tx.all(
        select(*(table.c[name] for name in (*shown_columns, "started_at", "finished_at")))
        .where(
            table.c.execution_id == execution.id,
            table.c.current,
            table.c.phase <= execution.target_phase,
        )
        .order_by(table.c.phase, table.c.position)
    )


def _task(row: Row[Any]) -> Item:
    return {
        "id": row.id,
        "key": row.key,
        "phase": row.phase,
        "agent": shown(row.agent),
        "title": row.title,
        "status": row.status,
        "startedAt": iso(row.started_at),
        "completedAt": iso(row.finished_at),
        "error": row.error_message,
    }


def _error(row: Row[Any]) -> Item:
    return {
        "timestamp": iso(row.created_at),
        "error": row.message,
        "severity": row.severity,
        "phase": row.phase,
        "agent": shown(row.agent) if row.agent else None,
        "task": row.task_key,
    }


def _errors(tx: Transaction, execution_id: str) -> list[Row[Any]]:
    """The newest errors, the oldest of them first."""
    table = tables.errors
    statement = (
        select(table)
        .where(table.c.execution_id == execution_id)
        .order_by(table.c.created_at.desc(), table.c.id.desc())
        .limit(ERRORS)
    )
    return list(reversed(tx.all(statement)))
