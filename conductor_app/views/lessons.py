"""Lessons: what was learnt, by phase, category or agent; `lessons.json`."""

import json
from typing import Any

from sqlalchemy import Row, and_, or_, select

from conductor_app.domain.states import LESSON_COUNTS, LessonState
from conductor_app.errors import NotFound
from conductor_app.store import lessons
from conductor_app.store.database import Transaction
from conductor_app.store.tables import lessons as table
from conductor_app.views.units import agent_name, iso, moment, shown

CATEGORIES = ("success", "failure", "optimization", "pattern")
# The file is for reading: what is older stays in the database.
IN_FILE = 500

Lesson = dict[str, Any]


def lesson(row: Row[Any]) -> Lesson:
    """A lesson as lists show it."""
    kept = (
        "id",
        "project_id",
        "execution_id",
        "phase",
        "agent",
        "category",
        "description",
        "impact",
        "action_taken",
        "status",
        "decided_by",
        "reason",
    )
    return {
        **{name: getattr(row, name) for name in kept},
        "created_at": iso(row.created_at),
        "decided_at": iso(row.decided_at),
    }


def one(tx: Transaction, lesson_id: str) -> Lesson:
    """Raises NotFound."""
    row = lessons.get(tx, lesson_id)
    if row is None:
        raise NotFound(f"There is no lesson {lesson_id}; see `conductor lessons`.")
    return lesson(row)


def proposed(tx: Transaction, execution_id: str) -> list[Lesson]:
    """What an execution's agents propose and nobody has decided, the oldest first."""
    mine = (table.c.execution_id == execution_id, table.c.status == LessonState.PROPOSED)
    return [lesson(row) for row in tx.all(select(table).where(*mine).order_by(table.c.id))]


def decided_since(tx: Transaction, at: int) -> frozenset[str]:
    """The projects for which a person has accepted or rejected a lesson since then (ms)."""
    found = tx.all(select(table.c.project_id).where(table.c.decided_at >= at).distinct())
    return frozenset(row.project_id for row in found)


def get_lessons(
    tx: Transaction,
    project_id: str,
    *,
    phase: int | None = None,
    category: str | None = None,
    agent: str | None = None,
    newest: int | None = None,
) -> list[Lesson]:
    """The lessons of a project as document 000 has them, the oldest first; all or the newest.

    What agents propose is no lesson before a person has accepted it.
    """
    statement = select(table).where(
        table.c.project_id == project_id, table.c.status.in_(LESSON_COUNTS)
    )
    if phase is not None:
        statement = statement.where(table.c.phase == phase)
    if category is not None:
        statement = statement.where(table.c.category == category)
    if agent is not None:
        statement = statement.where(table.c.agent == agent_name(agent))
    statement = statement.order_by(table.c.created_at.desc(), table.c.id.desc())
    return [_of_document(row) for row in reversed(tx.all(statement.limit(newest)))]


def relevant(tx: Transaction, project_id: str, agent: str, phase: int, limit: int) -> list[Lesson]:
    """What was learnt by this agent or in this phase, or is said of neither; the newest, oldest
    first."""
    statement = select(table).where(
        table.c.project_id == project_id,
        table.c.status.in_(LESSON_COUNTS),
        or_(
            table.c.agent == agent,
            table.c.phase == phase,
            and_(table.c.agent.is_(None), table.c.phase.is_(None)),
        ),
    )
    statement = statement.order_by(table.c.created_at.desc(), table.c.id.desc()).limit(limit)
    return [_of_document(row) for row in reversed(tx.all(statement))]


def text(tx: Transaction, project_id: str) -> str:
    """`lessons.json`."""
    found = get_lessons(tx, project_id, newest=IN_FILE)
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _of_document(row: Row[Any]) -> Lesson:
    return {
        "id": row.id,
        "timestamp": moment(row.created_at),
        "phase": row.phase,
        "agent": shown(row.agent) if row.agent else None,
        "category": row.category,
        "description": row.description,
        "impact": row.impact,
        "actionTaken": row.action_taken,
    }
