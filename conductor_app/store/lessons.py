"""Lessons after they were added: what people decide of them."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Row, select, update

from conductor_app.domain.states import LessonState
from conductor_app.store.database import Transaction
from conductor_app.store.tables import lessons


def get(tx: Transaction, lesson_id: str) -> Row[Any] | None:
    return tx.first(select(lessons).where(lessons.c.id == lesson_id))


def decide(
    tx: Transaction,
    lesson: Row[Any],
    before: Collection[LessonState],
    after: LessonState,
    by: str,
    reason: str,
) -> bool:
    """Move it from one of these states; False when it is in another."""
    moved = tx.run(
        update(lessons)
        .where(lessons.c.id == lesson.id, lessons.c.status.in_(before))
        .values(status=after, decided_at=tx.now, decided_by=by, reason=reason)
    )
    if moved:
        tx.events.record_in(
            _stream(lesson),
            f"lesson.{after}",
            lesson=lesson.id,
            description=lesson.description,
            by=by,
            reason=reason,
        )
    return bool(moved)


def _stream(lesson: Row[Any]) -> str:
    execution, project = lesson.execution_id, lesson.project_id
    return f"execution:{execution}" if execution is not None else f"project:{project}"
