"""Snapshots of progress: a row whenever the figures have changed since the last one."""

from typing import Any

from sqlalchemy import Row, select

from conductor_app.domain.states import TaskState
from conductor_app.engine.figures import AT_WORK, Figures, figures
from conductor_app.store import records
from conductor_app.store.database import Transaction
from conductor_app.store.tables import executions, progress


def snapshot(tx: Transaction, execution_id: str) -> bool:
    """Record how far the execution is, if that has changed; whether it was recorded."""
    known = _changed(tx, execution_id)
    if known is None:
        return False
    records.add_progress(tx, execution_id, **_values(known), eta=known.eta(tx.now))
    return True


def due(tx: Transaction, execution_id: str) -> bool:
    """Whether there is something to record; asked first, so that a tick need not write."""
    return _changed(tx, execution_id) is not None


def _changed(tx: Transaction, execution_id: str) -> Figures | None:
    """The figures, when they are not those of the last snapshot."""
    execution = tx.first(select(executions).where(executions.c.id == execution_id))
    if execution is None or execution.started_at is None:
        return None
    known = figures(tx, execution)
    last = _last(tx, execution_id)
    same = last is not None and all(
        getattr(last, name) == value for name, value in _values(known).items()
    )
    return None if same else known


def _values(known: Figures) -> dict[str, Any]:
    phase = known.execution.current_phase
    return {
        "phase": phase,
        "phase_progress": known.progress(phase),
        "overall_progress": known.overall,
        "active_tasks": known.count(*AT_WORK),
        "completed_tasks": known.count(TaskState.COMPLETED),
        "failed_tasks": known.count(TaskState.FAILED),
    }


def _last(tx: Transaction, execution_id: str) -> Row[Any] | None:
    return tx.first(
        select(progress)
        .where(progress.c.execution_id == execution_id)
        .order_by(progress.c.at.desc(), progress.c.id.desc())
        .limit(1)
    )
