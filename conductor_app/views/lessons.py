"""Lessons: what was learnt, by phase, category or agent; `lessons.json`."""

import json
from typing import Any

from sqlalchemy import Row, and_, or_, select

from conductor_app.store.database import Transaction
from conductor_app.store.tables import lessons as table
from conductor_app.views.units import agent_name, iso, moment, shown

CATEGORIES = ("success", "failure", "optimization", "pattern")
ACCEPTED_LESSON = "accepted"
# The file is for reading: what is older stays in the database.
IN_FILE = 500

Lesson = dict[str, Any]


def lesson(row: Row[Any]) -> Lesson:
    """A lesson as lists show it."""
    kept = ("id", "project_id", "execution_id", "phase", "agent", "category", "description")
    return {
        **{name: getattr(row, name) for name in (*kept, "impact", "action_taken", "status")},
        "created_at": iso(row.created_at),
    }


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
        table.c.project_id == project_id, table.c.status == ACCEPTED_LESSON
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
        table.c.status == ACCEPTED_LESSON,
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
