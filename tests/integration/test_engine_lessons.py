"""Lessons on every database: decided by one of several people at once, and told in order."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from conductor_app.engine import lessons
from conductor_app.errors import Refused
from conductor_app.store import records
from conductor_app.store.tables import lessons as table
from tests.fakes.engine import Engine, engine_on, phase, task, workflow

PEOPLE = 4


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as engine:
        yield engine


def test_of_several_people_at_once_one_decides(engine: Engine) -> None:
    id_ = engine.start(workflow(phase(task("a"))))
    proposal = {"phase": 0, "agent": "models", "status": "proposed"}
    engine.do(records.add_lesson, id_, "pattern", "Use tabs", **proposal)
    (proposed,) = engine.rows(select(table))

    def accepted(person: int) -> bool:
        try:
            engine.do(lessons.accept, proposed.id, f"Person {person}")
        except Refused as refusal:
            assert refusal.message.startswith("It is accepted already: Person ")
            return False
        return True

    with ThreadPoolExecutor(PEOPLE) as people:
        assert sum(people.map(accepted, range(PEOPLE))) == 1
    (row,) = engine.rows(select(table))
    assert (row.status, row.decided_by, row.decided_at) == (
        "accepted",
        "the API's token",
        engine.now,
    )
    assert engine.events(id_).count("lesson.accepted") == 1
