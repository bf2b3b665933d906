"""The dashboard's eight sections, and the estimates in it."""

import json
from collections.abc import Iterator

import pytest

from conductor_app.domain.outcome import Failed, Question, Succeeded, Suspended
from conductor_app.engine.claim import Claim
from conductor_app.store import records
from conductor_app.views.dashboard import dashboard, markdown
from tests.fakes.engine import Engine, check, engine_on, milestone, phase, task, workflow
from tests.fakes.worker import DIES

FLOW = workflow(
    phase(
        task("a", milestone="m"),
        task("b", "api", needs=["a"]),
        goal="The beginning",
        required_agents=["models", "api"],
        milestones=[milestone("m")],
        exit_criteria=[check("it runs")],
    ),
    phase(task("c", "test")),
)
SECTIONS = (
    "System Health",
    "Current Phase",
    "Overall Progress",
    "Active Agents",
    "Recent Milestones",
    "Tasks Overview",
    "Recent Lessons",
    "Recent Errors",
)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as engine:
        yield engine


def test_every_section_of_the_document_is_there_from_the_start(engine: Engine) -> None:
    found = engine.do(dashboard, engine.start(FLOW))
    text = markdown(found)
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == list(SECTIONS)
    assert json.loads(json.dumps(found)) == found


def test_health_is_the_pool_s_and_the_machine_s(engine: Engine) -> None:
    id_ = engine.start(FLOW)
    assert engine.do(dashboard, id_)["system_health"]["status"] == "idle"
    engine.register("w1", ["agent.models"], 4)
    engine.later(12)
    engine.register("w2", ["system"], 2)
    found = engine.do(dashboard, id_)["system_health"]
    assert (found["status"], found["connections"], found["slots"]) == ("healthy", 2, 6)
    assert found["uptime"] == 12.0
    assert 0 < found["memory"]["used"] <= 1
    assert 0 < found["memory"]["used_bytes"] < found["memory"]["total_bytes"]
    assert 0 <= found["cpu"] <= 1


def test_an_execution_half_way(engine: Engine) -> None:
    id_ = engine.start(FLOW)
    engine.later(30)
    engine.run(outcomes={"0/b": [DIES]})
    found = engine.do(dashboard, id_)
    current = found["current_phase"]
    assert (current["name"], current["description"]) == ("Phase 0", "The beginning")
    assert current["milestones"] == [{"key": "0/m", "name": "m", "status": "completed"}]
    assert current["required_agents"] == ["agent-models", "agent-api"]
    overall = found["overall_progress"]
    assert overall["progress"] == 0.5
    assert [each["progress"] for each in overall["phases"]] == [0.6667, 0.0]
    assert overall["eta"] == "2027-01-15T08:01:00.000Z"
    active = {each["agent"]: each["active"] for each in found["active_agents"]}
    assert active == {"agent-api": True, "agent-models": False, "agent-test": False}
    assert [each["key"] for each in found["recent_milestones"]] == ["0/m"]
    overview = found["tasks_overview"]
    assert (overview["active"], overview["completed"], overview["waiting"]) == (1, 1, 1)
    assert [each["key"] for each in overview["named"]] == ["0/b"]


def test_lessons_and_errors_the_newest_first(engine: Engine) -> None:
    id_ = engine.start(FLOW)
    for number in range(12):
        engine.later(1)
        engine.do(records.add_lesson, id_, "pattern", f"lesson {number}", phase=0, agent="api")
        engine.do(records.add_error, id_, 0, "low", "X", f"error {number}", agent="api")
    found = engine.do(dashboard, id_)
    assert [each["description"] for each in found["recent_lessons"]] == [
        f"lesson {number}" for number in (11, 10, 9, 8, 7)
    ]
    assert [each["message"] for each in found["recent_errors"]][:2] == ["error 11", "error 10"]
    assert len(found["recent_errors"]) == 10


def test_estimates_rest_on_what_earlier_executions_took(engine: Engine) -> None:
    def slow(_: object) -> Succeeded:
        engine.later(40)
        return Succeeded()

    engine.start(FLOW)
    engine.run(outcomes={"0/a": [slow], "1/c": [slow]})
    id_ = engine.start(FLOW)
    found = engine.do(dashboard, id_)["overall_progress"]["estimates"]
    assert found["tasks"]["0/a"] == {"seconds": 40.0, "remaining_seconds": 40.0, "source": "task"}
    assert found["phases"] == {"0": 40.0, "1": 40.0}
    assert found["milestones"] == {"0/m": 40.0}
    assert found["remaining_seconds"] == 80.0
    assert found["critical_path"] == ["0/a", "1/c"]


def test_a_running_attempt_says_itself_how_long_it_takes(engine: Engine) -> None:
    def guesses(taken: Claim) -> Succeeded:
        engine.do(records.expect, taken.attempt_id, 7_000)
        engine.later(2)
        found.update(engine.do(dashboard, id_)["overall_progress"]["estimates"]["tasks"])
        return Succeeded()

    found: dict[str, object] = {}
    id_ = engine.start(FLOW)
    engine.run(outcomes={"0/a": [guesses]})
    assert found["0/a"] == {"seconds": 7.0, "remaining_seconds": 5.0, "source": "told"}


def test_a_replay_says_nothing_of_how_long_a_model_takes(engine: Engine) -> None:
    engine.start(FLOW, connector="replay")
    engine.run()
    live = engine.start(FLOW, connector="claude")
    found = engine.do(dashboard, live)["overall_progress"]["estimates"]
    assert {each["source"] for each in found["tasks"].values()} == {"specification"}
    assert found["tasks"]["0/a"]["seconds"] == 10.0


def test_what_blocks_it_is_at_the_top(engine: Engine) -> None:
    id_ = engine.start(FLOW)
    engine.run(outcomes={"0/a": [Failed("AGENT_ERROR", "broke | down", retryable=False)]})
    text = markdown(engine.do(dashboard, id_))
    assert "Status: ⏸️ paused: 0/a (failed): nothing that needs it can go on." in text
    assert "**high** Phase 0 - agent-models: `AGENT_ERROR`: broke \\| down" in text
    assert "replay (recorded turns, no model)" in text


def test_a_question_is_at_the_top(engine: Engine) -> None:
    id_ = engine.start(FLOW)
    assert "Questions" not in markdown(engine.do(dashboard, id_))
    asks = Suspended("DECISION", "It asks.", bounded=False, question=Question("c1", "Which?"))
    engine.run(outcomes={"0/a": [asks]})
    text = markdown(engine.do(dashboard, id_))
    assert "- Questions: 1 waits for an answer: `conductor decisions`\n" in text


def test_which_phases_are_replayed(engine: Engine) -> None:
    def told(**wanted: object) -> str:
        text = markdown(engine.do(dashboard, engine.start(FLOW, **wanted)))
        return next(line for line in text.splitlines() if "Connector: " in line)

    assert told(connector="replay") == "- Connector: replay (recorded turns, no model)"
    assert told(connector="claude") == "- Connector: claude"
    mixed = told(connector="claude", replay_before=1)
    assert mixed == "- Connector: claude, replay (recorded turns in phase 0 only)"
