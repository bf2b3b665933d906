"""Snapshots of progress as recorded: `progress.md`, the newest last."""

from typing import Any

from sqlalchemy import Row, select

from conductor_app.store.database import Transaction
from conductor_app.store.tables import progress as table
from conductor_app.views import connectors
from conductor_app.views.units import iso, moment, percent

# The file is for reading: what is older stays in the database.
IN_FILE = 500


def progress(tx: Transaction, execution_id: str, newest: int | None = None) -> list[dict[str, Any]]:
    """The snapshots of an execution, the oldest first; fractions from 0 to 1."""
    kept = ("phase", "phase_progress", "overall_progress")
    counted = ("active_tasks", "completed_tasks", "failed_tasks")
    return [
        {
            "at": iso(row.at),
            **{name: getattr(row, name) for name in (*kept, *counted)},
            "eta": iso(row.eta),
        }
        for row in _rows(tx, execution_id, newest)
    ]


def text(tx: Transaction, execution: Row[Any], default_connector: str = connectors.REPLAY) -> str:
    """`progress.md`."""
    of_phase = connectors.of_phases(tx, execution, default_connector)
    rows = _rows(tx, execution.id, IN_FILE)
    return "\n".join(_entry(row, ", ".join(of_phase[row.phase])) for row in rows)


def _entry(row: Row[Any], connector: str) -> str:
    eta = "unknown" if row.eta is None else moment(row.eta)
    return (
        f"## {moment(row.at)}\n"
        f"- Phase: {row.phase}\n"
        f"- Connector: {connector}\n"
        f"- Phase Progress: {percent(row.phase_progress)}\n"
        f"- Overall Progress: {percent(row.overall_progress)}\n"
        f"- Active Tasks: {row.active_tasks}\n"
        f"- Completed Tasks: {row.completed_tasks}\n"
        f"- Failed Tasks: {row.failed_tasks}\n"
        f"- Estimated Completion: {eta}\n"
    )


def _rows(tx: Transaction, execution_id: str, newest: int | None) -> list[Row[Any]]:
    statement = (
        select(table)
        .where(table.c.execution_id == execution_id)
        .order_by(table.c.at.desc(), table.c.id.desc())
        .limit(newest)
    )
    return list(reversed(tx.all(statement)))
