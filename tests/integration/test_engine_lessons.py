"""Lessons on every database: decided by one of several people at once, and told in order."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from conductor_app.domain.outcome import Succeeded
from conductor_app.engine import lessons
from conductor_app.engine.claim import Claim
from conductor_app.engine.remarks import Source, remember
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


def test_what_a_run_before_proposed_stands_once_until_it_is_decided(engine: Engine) -> None:
    def proposes(category: str, action: str) -> Callable[[Claim], Succeeded]:
        def proposed(held: Claim) -> Succeeded:
            ids = (held.execution_id, held.job_id, held.fence, held.task_id, held.attempt_id)
            assert engine.do(remember, Source(*ids), category, "Use tabs", action)
            return Succeeded()

        return proposed

    def run(agent: str, category: str = "pattern", action: str = "Wrote so") -> int:
        engine.start(workflow(phase(task("a", agent))))
        engine.run(outcomes={"0/a": [proposes(category, action)]})
        return len(engine.rows(select(table)))

    assert [run("api"), run("api")] == [1, 1]
    other = run("models"), run("api", "failure"), run("api", action="Asked")
    assert other == (2, 3, 4), "another role, another meaning"
    first = min(row.id for row in engine.rows(select(table)))
    engine.do(lessons.reject, first)
    assert [run("api"), run("api")] == [5, 5]
    engine.do(lessons.accept, max(row.id for row in engine.rows(select(table))))
    assert run("api") == 5
