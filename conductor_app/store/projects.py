"""Projects: git repositories under Conductor's care."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, insert, select, text, update

from conductor_app.errors import NotFound
from conductor_app.ids import new_id
from conductor_app.store.database import Transaction
from conductor_app.store.tables import projects


def by_id(tx: Transaction, project_id: str) -> Row[Any] | None:
    return tx.first(select(projects).where(projects.c.id == project_id))


def get(tx: Transaction, project_id: str) -> Row[Any]:
    row = by_id(tx, project_id)
    if row is None:
        raise NotFound(f"There is no project {project_id}.")
    return row


def lock(tx: Transaction, project_id: str) -> None:
    """Until the end of the transaction nobody else decides what is begun on the project.

    Rows that only refer to it (executions, lessons) are written by others all the same.
    """
    mine = select(projects.c.id).where(projects.c.id == project_id)
    tx.all(mine.with_for_update(key_share=True))


def lock_all(tx: Transaction) -> None:
    """Until the end of the transaction nobody else takes a project on; SQLite has one writer."""
    if tx.postgresql:
        tx.run(text("LOCK TABLE projects IN SHARE ROW EXCLUSIVE MODE"))


def at(tx: Transaction, location: str) -> Row[Any] | None:
    """The project of a local path or URL."""
    return tx.first(
        select(projects)
        .where(projects.c.location == location, projects.c.archived_at.is_(None))
        .order_by(projects.c.id)
        .limit(1)
    )


def archived(tx: Transaction, location: str, name: str) -> Row[Any] | None:
    return tx.first(
        select(projects).where(
            projects.c.location == location,
            projects.c.name == name,
            projects.c.archived_at.is_not(None),
        )
    )


def named(tx: Transaction, name: str) -> Sequence[Row[Any]]:
    """The projects of this name that are not archived."""
    return tx.all(
        select(projects)
        .where(projects.c.name == name, projects.c.archived_at.is_(None))
        .order_by(projects.c.id)
    )


def names(tx: Transaction) -> list[str]:
    statement = select(projects.c.name).where(projects.c.archived_at.is_(None))
    return [row.name for row in tx.all(statement)]


def change(tx: Transaction, project_id: str, **values: Any) -> None:
    tx.run(update(projects).where(projects.c.id == project_id).values(**values))


def add(
    tx: Transaction, name: str, location: str, settings: dict[str, Any] | None = None
) -> Row[Any]:
    """The project of this location (without one: of this name), made when there is none."""
    found = [at(tx, location)] if location else [row for row in named(tx, name) if not row.location]
    if found and found[0] is not None:
        return found[0]
    id_ = new_id()
    row = {
        "id": id_,
        "name": name,
        "location": location,
        "settings": settings or {},
        "created_at": tx.now,
    }
    tx.run(insert(projects), row)
    return get(tx, id_)
