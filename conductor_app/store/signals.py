"""Signals: what agents notice that may need action."""

from typing import Any

from sqlalchemy import Row, insert, select

from conductor_app.domain.signals import SignalType
from conductor_app.ids import new_id
from conductor_app.store.database import Transaction
from conductor_app.store.tables import signals


def told(tx: Transaction, task_id: str, type_: SignalType, title: str) -> bool:
    """Whether the task has said so before."""
    same = (signals.c.task_id == task_id, signals.c.type == type_, signals.c.title == title)
    return tx.first(select(signals.c.id).where(*same)) is not None


def add(
    tx: Transaction,
    project_id: str,
    task: Row[Any],
    attempt_id: str,
    type_: SignalType,
    title: str,
    detail: str,
) -> None:
    id_ = new_id()
    row = {
        "id": id_,
        "project_id": project_id,
        "execution_id": task.execution_id,
        "task_id": task.id,
        "attempt_id": attempt_id,
        "type": type_,
        "title": title,
        "detail": detail,
        "created_at": tx.now,
    }
    tx.run(insert(signals), row)
    tx.events.record(
        task.execution_id,
        "signal.reported",
        signal=id_,
        kind=str(type_),
        title=title,
        task=task.key,
    )
