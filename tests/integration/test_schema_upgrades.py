"""An upgrade from an older schema keeps every row; one that fails leaves all as it was."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, MetaData, create_engine, insert, select, text
from sqlalchemy.exc import DBAPIError

from conductor_app.store import migrations

PROJECTS = [
    {"id": "p1", "name": "shop", "location": "/srv/shop", "created_at": 1},
    {"id": "p3", "name": "store", "location": "/srv/shop", "created_at": 3},
    {"id": "p2", "name": "market", "location": "/srv/shop", "created_at": 2},
    {"id": "p4", "name": "old", "location": "/srv/shop", "created_at": 0, "archived_at": 1},
    {"id": "p5", "name": "alone", "location": "/srv/alone", "created_at": 5},
    {"id": "p6", "name": "words", "location": "", "created_at": 6},
    {"id": "p7", "name": "more words", "location": "", "created_at": 7},
]
VERSION = {"version": "v", "name": "w", "source": "", "text": "", "model": "", "created_at": 1}
EXECUTION = {
    "workflow_name": "w",
    "workflow_version": "v",
    "status": "running",
    "driver": "automatic",
    "mode": "normal",
    "inputs": {},
    "auto_advance": True,
    "uses_git": True,
    "branch": "b",
    "target_phase": 0,
    "current_phase": 0,
    "created_at": 1,
    "updated_at": 1,
}
JOB = {
    "id": "j",
    "kind": "checkpoint",
    "execution_id": "e1",
    "queue": "system",
    "status": "active",
    "priority": 1000,
    "claims": 2,
    "fence": 3,
    "lease_until": 5,
    "worker_id": "w",
    "payload": {"entering": 0},
    "created_at": 1,
}
LESSON = {
    "category": "success",
    "description": "d",
    "impact": "",
    "action_taken": "",
    "created_at": 1,
}
TASK = {
    "execution_id": "e1",
    "generation": 1,
    "current": True,
    "phase": 0,
    "agent": "a",
    "title": "t",
    "priority": 1,
    "position": 0,
    "files": False,
    "needs_left": 1,
    "notes": [],
    "created_at": 1,
}
DECISION = {
    "execution_id": "e1",
    "attempt_id": "a",
    "round": 1,
    "call_id": "c",
    "question": "Tabs?",
    "options": [],
    "status": "pending",
    "created_at": 1,
}


@pytest.fixture
def older(empty_database_url: str) -> Iterator[Engine]:
    """A database as version 0.1.0 first made it, with projects, executions and lessons."""
    _upgrade(empty_database_url, "0001")
    engine = create_engine(empty_database_url)
    _add(engine, "projects", *({"settings": {}, **each} for each in PROJECTS))
    _add(engine, "workflow_versions", VERSION)
    for number in range(1, 8):
        of = {"id": f"e{number}", "project_id": f"p{number}"}
        _add(engine, "executions", {**EXECUTION, **of})
        _add(engine, "lessons", {**LESSON, **of, "id": f"l{number}"})
    yield engine
    engine.dispose()


def test_a_place_that_was_several_projects_is_the_oldest(
    older: Engine, empty_database_url: str
) -> None:
    migrations.upgrade(empty_database_url)
    live = [row["id"] for row in _rows(older, "projects") if row["archived_at"] is None]
    assert live == ["p1", "p5", "p6", "p7"]
    assert len(_rows(older, "projects")) == len(PROJECTS)
    for table in ("executions", "lessons"):
        of_project = [row["project_id"] for row in _rows(older, table)]
        assert of_project == ["p1", "p1", "p1", "p4", "p5", "p6", "p7"]
    again = {"id": "p8", "name": "again", "location": "/srv/alone", "settings": {}, "created_at": 8}
    with pytest.raises(DBAPIError, match=r"(?i)unique"):
        _add(older, "projects", again)


def test_jobs_are_kept_without_what_asked_them_to_stop(
    older: Engine, empty_database_url: str
) -> None:
    _add(older, "jobs", JOB)
    migrations.upgrade(empty_database_url)
    (row,) = _rows(older, "jobs")
    assert "cancel_requested" not in row
    assert {name: row[name] for name in JOB} == JOB
    assert (row["failures"], row["lost_leases"], row["not_before"]) == (0, 0, 0)


def test_lessons_from_before_are_conductors_own(older: Engine, empty_database_url: str) -> None:
    migrations.upgrade(empty_database_url)
    assert {row["status"] for row in _rows(older, "lessons")} == {"recorded"}
    assert {row["decided_at"] for row in _rows(older, "lessons")} == {None}


def test_questions_of_tasks_that_are_over_are_withdrawn(
    older: Engine, empty_database_url: str
) -> None:
    _upgrade(empty_database_url, "0009")
    for status in ("waiting", "cancelled", "superseded"):
        _add(older, "tasks", {**TASK, "id": status, "key": f"0/{status}", "status": status})
        _add(older, "decisions", {**DECISION, "id": status, "task_id": status})
    answered = {"id": "z", "task_id": "cancelled", "status": "answered", "answer": "tabs"}
    _add(older, "decisions", {**DECISION, **answered})
    migrations.upgrade(empty_database_url)
    states = [row["status"] for row in _rows(older, "decisions")]
    assert states == ["withdrawn", "withdrawn", "pending", "answered"]


def test_an_upgrade_that_fails_leaves_all_as_it_was(older: Engine, empty_database_url: str) -> None:
    with older.begin() as connection:
        connection.execute(text("CREATE INDEX uq_projects_location ON projects (name)"))
    with pytest.raises(DBAPIError, match="uq_projects_location"):
        migrations.upgrade(empty_database_url)
    assert migrations.revision(empty_database_url) == "0001"
    assert sum(row["archived_at"] is None for row in _rows(older, "projects")) == 6
    with older.begin() as connection:
        connection.execute(text("DROP INDEX uq_projects_location"))
    assert migrations.upgrade(empty_database_url) == migrations.revision(empty_database_url)


def _upgrade(url: str, revision: str) -> None:
    config = Config()
    place = Path(migrations.__file__).parent
    for name, value in (("script_location", str(place)), ("sqlalchemy.url", url)):
        config.set_main_option(name, value.replace("%", "%%"))
    command.upgrade(config, revision)


def _add(engine: Engine, name: str, *rows: dict[str, Any]) -> None:
    with engine.begin() as connection:
        for row in rows:
            connection.execute(insert(_table(engine, name)).values(row))


def _rows(engine: Engine, name: str) -> list[dict[str, Any]]:
    table = _table(engine, name)
    with engine.connect() as connection:
        found = connection.execute(select(table).order_by(table.c.id)).all()
        return [dict(row._mapping) for row in found]


def _table(engine: Engine, name: str) -> Any:
    """The table as it is there, whatever this version's would be."""
    known = MetaData()
    known.reflect(engine, only=[name])
    return known.tables[name]
