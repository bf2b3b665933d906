"""Lists: every page once, in order, filtered; nonsense is refused in words."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from conductor_app.domain.outcome import Failed, Judgement, Succeeded, Usage
from conductor_app.engine import rollback
from conductor_app.errors import InvalidInput
from conductor_app.store import records
from conductor_app.store.tables import check_results
from conductor_app.views import lists
from conductor_app.views.lessons import get_lessons
from conductor_app.views.paging import Page
from tests.fakes.engine import Engine, check, engine_on, milestone, phase, task, workflow

FLOW = workflow(
    phase(
        task("a", milestone="m", retry={"base": 0}),
        *[task(f"b{n}", "api", needs=["a"]) for n in range(5)],
        milestones=[milestone("m", check("first"), check("second"))],
    ),
    phase(task("c", "test")),
)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as engine:
        yield engine


@pytest.fixture
def done(engine: Engine) -> str:
    """An execution that has ended, with a failure on its way."""
    id_ = engine.start(FLOW)
    engine.run(outcomes={"0/a": [Failed("TIMEOUT", "too slow", usage=Usage(1, 10, 5, 0, 1500))]})
    assert engine.status(id_) == "completed"
    return id_


def every(engine: Engine, list_: Any, *arguments: Any, **named: Any) -> list[dict[str, Any]]:
    """All items of a list, page by page."""
    items: list[dict[str, Any]] = []
    cursor = None
    while True:
        page: Page = engine.do(list_, *arguments, cursor=cursor, **named)
        assert 0 < len(page.items) <= named.get("limit", 50) or not items
        items += page.items
        cursor = page.next_cursor
        if cursor is None:
            return items


KEYS = ["0/a", "0/b0", "0/b1", "0/b2", "0/b3", "0/b4", "1/c"]


@pytest.mark.parametrize("limit", [1, 2, 7, 50])
def test_pages_hold_every_task_once_in_the_plan_s_order(
    engine: Engine, done: str, limit: int
) -> None:
    assert [each["key"] for each in every(engine, lists.tasks, done, limit=limit)] == KEYS


@pytest.mark.parametrize("sort", ["key", "priority", "status", "created"])
def test_every_order_can_be_turned_round(engine: Engine, done: str, sort: str) -> None:
    up = [each["key"] for each in every(engine, lists.tasks, done, sort=sort, limit=2)]
    down = [each["key"] for each in every(engine, lists.tasks, done, sort=f"-{sort}", limit=3)]
    assert sorted(up) == KEYS
    assert down == up[::-1]


def test_tasks_by_status_phase_agent_and_milestone(engine: Engine, done: str) -> None:
    def keys(**filters: Any) -> list[str]:
        return [each["key"] for each in engine.do(lists.tasks, done, **filters).items]

    assert keys(phase=1) == ["1/c"]
    assert keys(agent="agent-test") == keys(agent="test") == ["1/c"]
    assert keys(agent=["test", "models"]) == ["0/a", "1/c"]
    assert keys(milestone="0/m") == ["0/a"]
    assert keys(status=["failed", "waiting"]) == []
    assert len(keys(status="completed", phase=0)) == 6


def test_what_was_replaced_shows_as_history_only(engine: Engine) -> None:
    id_ = engine.start(FLOW)
    worker = engine.worker()
    worker.run(until=lambda: len(worker.done) == 3)
    engine.do(rollback.rollback, id_, 0)
    assert len(every(engine, lists.tasks, id_)) == 7
    old = [each for each in every(engine, lists.tasks, id_, history=True) if not each["current"]]
    assert sorted(each["key"] for each in old) == KEYS[:6]
    assert all(each["replaced_by"] for each in old)
    assert [each["generation"] for each in every(engine, lists.phases, id_, history=True)] == [
        *(1, 2),
        1,
    ]
    assert len(every(engine, lists.milestones, id_, history=True)) == 2


def test_attempts_carry_usage_and_failure(engine: Engine, done: str) -> None:
    first, second = every(engine, lists.attempts, done, task="0/a", limit=1)
    assert (first["status"], first["error_kind"], first["number"]) == ("failed", "TIMEOUT", 1)
    assert first["usage"] == {
        "turns": 1,
        "input_tokens": 10,
        "output_tokens": 5,
        "cache_read_tokens": 0,
        "cost_usd": "0.0000015",
    }
    assert (second["status"], second["number"], second["round"]) == ("succeeded", 2, 2)
    assert len(every(engine, lists.attempts, done, status="succeeded")) == 7


def test_checks_by_role_and_verdict_the_newest_first(engine: Engine, done: str) -> None:
    found = every(engine, lists.checks, done, role="milestone", limit=1)
    assert [each["name"] for each in found] == ["second", "first"]
    assert found[0]["subject"] == "0/m"
    assert found[0]["evidence"]["exit_code"] == 0
    assert every(engine, lists.checks, done, verdict="failed") == []


def test_events_in_their_order_after_a_number(engine: Engine, done: str) -> None:
    stream = f"execution:{done}"
    found = every(engine, lists.events, stream, limit=7)
    assert [each["number"] for each in found] == list(range(1, len(found) + 1))
    assert every(engine, lists.events, stream, after=5)[0]["number"] == 6
    completed = every(engine, lists.events, stream, type_="task.completed")
    assert len(completed) == 7


def test_executions_by_project_and_status_the_newest_first(engine: Engine, done: str) -> None:
    other = engine.start(FLOW, "other")
    found = every(engine, lists.executions, limit=1)
    assert [each["id"] for each in found] == [other, done]
    assert [each["project"] for each in found] == ["other", "demo"]
    project = engine.execution(other).project_id
    assert [each["id"] for each in every(engine, lists.executions, project_id=project)] == [other]
    assert [each["id"] for each in every(engine, lists.executions, status="completed")] == [done]
    assert every(engine, lists.executions, workflow="another") == []


def test_errors_lessons_workers_projects_and_versions(engine: Engine, done: str) -> None:
    assert [each["severity"] for each in every(engine, lists.errors, done)] == ["low"]
    engine.register("w1", ["agent.models"], 4)
    engine.later(10)
    engine.register("w2", ["agent.api"], 4)
    engine.later(25)
    workers = every(engine, lists.workers, limit=1)
    assert [(each["status"], each["heard"]) for each in workers] == [("lost", False), ("up", True)]
    assert [each["name"] for each in every(engine, lists.projects)] == ["demo"]
    assert [each["name"] for each in every(engine, lists.workflows)] == ["w"]
    assert every(engine, lists.checkpoints, done)[0]["phase"] == 0


def test_a_worker_s_sandbox_is_known_from_its_newest_attempt(engine: Engine) -> None:
    id_ = engine.start(workflow(phase(task("a"), task("b", needs=["a"]))))
    engine.register("w0", ["agent.models"], 4)

    def confined(level: str | None) -> Any:
        return lambda _: Succeeded("did it", sandbox=level)

    worker = engine.worker(
        outcomes={"0/a": [confined("bubblewrap")], "0/b": [confined("sandlock")]}
    )
    engine.register(worker.name, ["agent.models"], 4)
    worker.run(until=lambda: worker.done == ["0/a"])
    levels = {each["id"]: each["sandbox_level"] for each in every(engine, lists.workers)}
    assert levels == {"w0": None, worker.name: "bubblewrap"}
    worker.run()
    assert engine.status(id_) == "completed"
    levels = {each["id"]: each["sandbox_level"] for each in every(engine, lists.workers)}
    assert levels == {"w0": None, worker.name: "sandlock"}


MENDED = "0/a failed with TIMEOUT (too slow) and was mended"


def test_lessons_by_phase_category_and_agent(engine: Engine, done: str) -> None:
    for number, (category, agent) in enumerate(
        [("optimization", "api"), ("pattern", "models"), ("optimization", "models")]
    ):
        engine.later(1)
        engine.do(records.add_lesson, done, category, f"l{number}", phase=number, agent=agent)
    project = engine.execution(done).project_id

    def learnt(**filters: Any) -> list[str]:
        listed = every(engine, lists.lessons, project, **filters)
        assert [each["description"] for each in engine.do(get_lessons, project, **filters)] == [
            each["description"] for each in listed[::-1]
        ]
        return [each["description"] for each in listed]

    assert learnt() == ["l2", "l1", "l0", MENDED]
    assert learnt(phase=2) == ["l2"]
    assert learnt(category="optimization") == ["l2", "l0"]
    assert learnt(category="success") == [MENDED]
    assert learnt(agent="agent-models")[:2] == ["l2", "l1"]


def written(*values: Any) -> str:
    """A cursor as somebody might forge it."""
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "finished"},
        {"sort": "colour"},
        {"limit": 0},
        {"limit": 501},
        {"cursor": "nonsense!"},
        {"cursor": "W10"},
        {"cursor": "WyJhIiwgMCwgImIiXQ"},
        # More than 64 bits, half a character, and deeper than any JSON that we write.
        {"cursor": written(0, 2**64, "id")},
        {"cursor": written(0, 0, "\ud800")},
        {"cursor": base64.urlsafe_b64encode(b"[" * 5000).decode()},
    ],
)
def test_nonsense_is_refused_in_words(engine: Engine, done: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=r"\."):
        engine.do(lists.tasks, done, **wrong)


def test_a_page_stands_while_new_items_come(engine: Engine, done: str) -> None:
    judgement = Judgement("task", "0/a", "new", "command", "passed", "", {})
    page = engine.do(lists.checks, done, limit=1)
    engine.do(records.add_judgements, done, 0, [judgement], job_id="j")
    rest = engine.do(lists.checks, done, limit=10, cursor=page.next_cursor)
    names = [each["name"] for each in page.items + rest.items]
    assert "new" not in names
    assert len(names) == len(engine.rows(select(check_results))) - 1


def test_summaries_are_kept(engine: Engine) -> None:
    id_ = engine.start(workflow(phase(task("a"))))
    engine.run(outcomes={"0/a": [Succeeded("wrote it")]})
    assert engine.do(lists.tasks, id_).items[0]["summary"] == "wrote it"
