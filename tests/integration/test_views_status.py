"""The status and the current execution: document 000's fields, true at every moment."""

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import insert

from conductor_app.domain.outcome import Failed, Question, Succeeded, Suspended
from conductor_app.engine import control, task_control
from conductor_app.engine.decisions import decide
from conductor_app.errors import Ambiguous, NotFound
from conductor_app.ids import new_id
from conductor_app.store.tables import phases, tasks
from conductor_app.views.current import current_execution, last_execution
from conductor_app.views.decisions import listed
from conductor_app.views.status import status
from tests.fakes.engine import Engine, check, engine_on, milestone, phase, task, workflow

TWO_PHASES = workflow(
    phase(
        task("types", milestone="basis"),
        task("routes", "api", needs=["types"]),
        milestones=[milestone("basis", check())],
    ),
    phase(task("docs", "test")),
)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as engine:
        yield engine


def test_the_document_s_fields_before_anything_is_done(engine: Engine) -> None:
    id_ = engine.start(TWO_PHASES, connector="replay")
    found = engine.do(status, id_)
    assert found["isRunning"] is True
    assert found["currentPhase"] == {
        "number": 0,
        "name": "Phase 0",
        "progress": 0.0,
        "status": "in_progress",
    }
    assert found["overallProgress"] == 0.0
    assert found["completedPhases"] == found["activeAgents"] == []
    assert (found["activeTasks"], found["completedTasks"], found["failedTasks"]) == (0, 0, 0)
    assert found["waitingTasks"] == 3
    assert found["connector"] == "replay"
    assert found["eta"] is None


def test_tasks_at_work_and_done_and_milestones_count(engine: Engine) -> None:
    id_ = engine.start(TWO_PHASES)
    worker = engine.worker()
    worker.run(until=lambda: worker.done == ["0/types"])
    (hint,) = [each for each in engine.queue.hints if each.queue == "agent.api"]
    assert worker.claim(hint.links[0]) is not None
    engine.later(60)
    found = engine.do(status, id_)
    assert found["activeAgents"] == ["agent-api"]
    assert (found["activeTasks"], found["completedTasks"], found["waitingTasks"]) == (1, 1, 1)
    # One of two tasks and none of one milestone; four parts in all.
    assert found["currentPhase"]["progress"] == pytest.approx(1 / 3, abs=1e-4)
    assert found["overallProgress"] == 0.25
    assert found["milestones"] == [{"key": "0/basis", "name": "basis", "status": "validating"}]
    assert found["startedAt"] == "2027-01-15T08:00:00.000Z"
    assert found["eta"] == "2027-01-15T08:04:00.000Z"


def test_a_completed_execution_is_wholly_done(engine: Engine) -> None:
    id_ = engine.start(TWO_PHASES)
    engine.later(5)
    engine.run()
    found = engine.do(status, id_)
    assert (found["status"], found["isRunning"], found["overallProgress"]) == (
        "completed",
        False,
        1.0,
    )
    assert found["completedPhases"] == [0, 1]
    assert found["eta"] == found["finishedAt"] == "2027-01-15T08:00:05.000Z"


def test_phases_after_the_target_are_no_part_of_it(engine: Engine) -> None:
    id_ = engine.start(TWO_PHASES, target_phase=0)
    found = engine.do(status, id_)
    assert found["waitingTasks"] == 2
    engine.run()
    assert engine.do(status, id_)["overallProgress"] == 1.0


def test_a_paused_execution_says_why_and_has_no_end_in_sight(engine: Engine) -> None:
    id_ = engine.start(TWO_PHASES)
    engine.run(outcomes={"0/routes": [Failed("AGENT_ERROR", "no", retryable=False)]})
    found = engine.do(status, id_)
    assert (found["isRunning"], found["status"], found["reason"]) == (False, "paused", "blocked")
    assert "conductor retry 0/routes" in found["reasonDetail"]
    assert (found["failedTasks"], found["eta"]) == (1, None)


def test_a_skipped_task_is_progress_but_not_completed(engine: Engine) -> None:
    id_ = engine.start(TWO_PHASES)
    engine.do(task_control.skip, id_, "0/types", "not needed")
    found = engine.do(status, id_)
    assert (found["skippedTasks"], found["completedTasks"]) == (1, 0)
    assert found["overallProgress"] == 0.25


def test_replay_shows_wherever_a_phase_is_replayed(engine: Engine) -> None:
    replayed = engine.start(TWO_PHASES)
    mixed = engine.start(TWO_PHASES, connector="claude", replay_before=1)
    live = engine.start(TWO_PHASES, connector="claude")
    assert engine.do(status, replayed)["connector"] == "replay"
    assert engine.do(status, replayed, "deepseek")["connector"] == "deepseek"
    assert engine.do(status, mixed)["connector"] == "claude, replay"
    assert engine.do(status, live)["connector"] == "claude"


def test_an_execution_that_is_not_there(engine: Engine) -> None:
    with pytest.raises(NotFound, match="conductor status"):
        engine.do(status, "nothing")


def test_the_current_execution_is_the_newest_unfinished_of_the_project(engine: Engine) -> None:
    older, newer = engine.start(TWO_PHASES), engine.start(TWO_PHASES)
    project = engine.execution(newer).project_id
    assert engine.do(current_execution, project).id == newer
    engine.do(control.cancel, newer)
    assert engine.do(current_execution, project).id == older
    assert engine.do(current_execution).id == older
    engine.do(control.cancel, older)
    with pytest.raises(NotFound, match="conductor run"):
        engine.do(current_execution, project)
    assert engine.do(last_execution, project).id == newer


def test_a_guided_execution_is_meant_as_any_other(engine: Engine) -> None:
    id_ = engine.start(workflow(phase(task("a")), driver="guided"))
    project = engine.execution(id_).project_id
    assert engine.do(current_execution, project).id == id_
    assert engine.do(last_execution, project).id == id_


@pytest.mark.parametrize(
    ("driver", "auto_advance"), [("guided", True), ("guided", False), ("automatic", False)]
)
def test_a_phase_that_has_passed_names_the_word_of_a_person_that_it_waits_for(
    engine: Engine, driver: str, auto_advance: bool
) -> None:
    id_ = engine.start(
        workflow(phase(task("a")), phase(task("b")), driver=driver), auto_advance=auto_advance
    )
    found = engine.do(status, id_)
    assert (found["autoAdvanceEnabled"], found["nextStep"]) == (False, None)
    engine.later(60)
    engine.run()
    found = engine.do(status, id_)
    assert found["nextStep"] == "Phase 0 (Phase 0) has passed; `conductor advance` goes on."
    assert found["overallProgress"] == 0.5
    assert found["eta"] is None, "nobody knows when the person will say so"
    engine.do(control.advance, id_)
    assert engine.do(status, id_)["nextStep"] is None
    assert engine.do(status, id_)["eta"] is not None
    engine.run()
    last = "Phase 1 (Phase 1) has passed; `conductor advance` completes the execution."
    assert engine.do(status, id_)["nextStep"] == last
    engine.do(control.advance, id_)
    found = engine.do(status, id_)
    assert (found["status"], found["nextStep"]) == ("completed", None)


def test_questions_that_wait_for_an_answer_count(engine: Engine) -> None:
    ids = [engine.start(TWO_PHASES), engine.start(TWO_PHASES)]
    asks = Suspended("DECISION", "It asks.", bounded=False, question=Question("c1", "Which?"))
    engine.run(outcomes={"0/types": [asks, Succeeded(), asks]})
    assert [engine.do(status, each)["pendingDecisions"] for each in ids] == [1, 0]
    (asked,) = engine.do(listed, status="pending").items
    engine.do(decide, asked["id"], "This one")
    assert engine.do(status, ids[0])["pendingDecisions"] == 0


def test_one_that_moves_on_by_itself_or_is_paused_waits_for_no_such_word(engine: Engine) -> None:
    moving = engine.start(TWO_PHASES)
    engine.run()
    assert engine.do(status, moving)["nextStep"] is None
    paused = engine.start(workflow(phase(task("a")), driver="guided"))
    engine.run()
    engine.do(control.pause, paused)
    assert engine.do(status, paused)["nextStep"] is None


def test_of_several_projects_one_must_be_named(engine: Engine) -> None:
    first, second = engine.start(TWO_PHASES, "one"), engine.start(TWO_PHASES, "two")
    with pytest.raises(Ambiguous, match="--project") as raised:
        engine.do(current_execution)
    assert {each["id"] for each in raised.value.details["executions"]} == {first, second}
    engine.do(control.cancel, first)
    assert engine.do(current_execution).id == second


def test_ten_thousand_tasks_are_counted_quickly(engine: Engine) -> None:
    id_ = engine.start(TWO_PHASES)
    row = dict(engine.task(id_, "0/types")._mapping)
    many = [
        {**row, "id": new_id(), "key": f"0/t{n}", "status": "completed", "milestone": None}
        for n in range(10_000)
    ]
    with engine.database.transaction() as tx:
        tx.run(insert(tasks), many)
        tx.run(phases.update().where(phases.c.number == 0).values(total_tasks=10_002))
    took = []
    for _ in range(5):
        with engine.reading() as tx:
            began = time.perf_counter()
            assert status(tx, id_)["completedTasks"] == 10_000
            took.append(time.perf_counter() - began)
    # It takes about 10 ms; the rest is for a machine that is busy with other things.
    assert min(took) < 0.1
