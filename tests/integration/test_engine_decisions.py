"""Questions of agents: the task waits without a worker, a person answers, the task goes on."""

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from conductor_app.domain.outcome import Judged, Question, Suspended, Usage
from conductor_app.engine import control, decisions, task_control
from conductor_app.engine.explain import why
from conductor_app.engine.rerun import rerun
from conductor_app.engine.rollback import rollback
from conductor_app.errors import InvalidInput, NotFound, Refused
from conductor_app.queue import SYSTEM_QUEUE
from conductor_app.store import tables
from tests.fakes import invariants
from tests.fakes.engine import Engine, check, engine_on, milestone, phase, task, workflow
from tests.fakes.worker import judgements

WHICH = Question("c1", "Which database?", ("PostgreSQL", "SQLite"))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as opened:
        yield opened
        invariants.hold(opened)


def asks(question: Question = WHICH) -> Suspended:
    return Suspended(
        "DECISION", "It asks.", bounded=False, question=question, usage=Usage(2, 10, 5)
    )


def raised(engine: Engine) -> list[str]:
    return [row.id for row in engine.rows(select(tables.decisions).order_by(tables.decisions.c.id))]


def test_the_task_waits_until_somebody_answers(engine: Engine) -> None:
    one = engine.start(workflow(phase(task("a"), task("b", needs=["a"]))))
    engine.run(outcomes={"0/a": [asks()]})
    assert engine.states(one) == {"0/a": "waiting", "0/b": "waiting"}
    engine.later(100_000)
    engine.tick()
    assert engine.published() == []
    [decision] = raised(engine)
    engine.do(decisions.decide, decision, "postgresql")
    engine.run()
    assert engine.status(one) == "completed"
    row = engine.rows(select(tables.decisions))[0]
    assert (row.status, row.answer) == ("answered", "PostgreSQL")
    told = [each for each in engine.events(one) if each.startswith("decision")]
    assert told == ["decision.raised", "decision.answered"]


def test_what_was_used_until_then_is_kept_and_nothing_has_failed(engine: Engine) -> None:
    one = engine.start(workflow(phase(task("a", retry={"max": 0}))))
    engine.run(outcomes={"0/a": [asks()]})
    [attempt] = engine.rows(select(tables.attempts))
    assert (attempt.status, attempt.turns, attempt.input_tokens) == ("suspended", 2, 10)
    assert engine.task(one, "0/a").failures == 0


def test_why_shows_the_question_and_the_way_out(engine: Engine) -> None:
    one = engine.start(workflow(phase(task("a"))))
    engine.run(outcomes={"0/a": [asks()]})
    [decision] = raised(engine)
    said = engine.do(why, one, "0/a").sentence
    assert "Which database? (PostgreSQL or SQLite)" in said
    assert f"conductor decide {decision} ANSWER" in said


def test_a_waiting_task_takes_no_room_from_others(engine: Engine) -> None:
    one = engine.start(workflow(phase(task("a"), task("b")), concurrency=1))
    engine.run(outcomes={"0/a": [asks()]})
    assert engine.states(one) == {"0/a": "waiting", "0/b": "completed"}


def test_the_next_attempts_are_told_what_was_decided(engine: Engine) -> None:
    one = engine.start(workflow(phase(task("a"))))
    engine.run(outcomes={"0/a": [asks()]})
    engine.do(decisions.decide, raised(engine)[0], "SQLite")
    [note] = engine.task(one, "0/a").notes
    assert (note["kind"], note["message"]) == ("DECISION", "Which database?")
    assert note["detail"] == "Decided: SQLite"


def test_asked_again_by_the_same_call_it_has_its_answer(engine: Engine) -> None:
    """A worker that died after the answer may report the question once more."""
    one = engine.start(workflow(phase(task("a"))))
    engine.run(outcomes={"0/a": [asks()]})
    engine.do(decisions.decide, raised(engine)[0], "SQLite")
    engine.run(outcomes={"0/a": [asks()]})
    assert engine.status(one) == "completed"
    assert len(raised(engine)) == 1
    assert engine.do(decisions.answered, engine.task(one, "0/a").id, WHICH) == "SQLite"


def test_a_second_question_is_a_second_decision(engine: Engine) -> None:
    one = engine.start(workflow(phase(task("a"))))
    engine.run(outcomes={"0/a": [asks()]})
    engine.do(decisions.decide, raised(engine)[0], "SQLite")
    engine.run(outcomes={"0/a": [asks(Question("c1", "And the port?"))]})
    assert engine.states(one) == {"0/a": "waiting"}
    engine.do(decisions.decide, raised(engine)[1], " 5432 ")
    engine.run()
    assert engine.status(one) == "completed"


@pytest.mark.parametrize("answer", ["", "  ", "Oracle"])
def test_what_is_no_answer_is_refused(engine: Engine, answer: str) -> None:
    engine.start(workflow(phase(task("a"))))
    engine.run(outcomes={"0/a": [asks()]})
    with pytest.raises(InvalidInput):
        engine.do(decisions.decide, raised(engine)[0], answer)


def test_it_is_answered_once(engine: Engine) -> None:
    engine.start(workflow(phase(task("a"))))
    engine.run(outcomes={"0/a": [asks()]})
    [decision] = raised(engine)
    engine.do(decisions.decide, decision, "SQLite")
    with pytest.raises(Refused, match="answered already: SQLite"):
        engine.do(decisions.decide, decision, "PostgreSQL")
    with pytest.raises(NotFound):
        engine.do(decisions.decide, "nothing", "SQLite")


@pytest.mark.parametrize("end", ["cancel", "skip"])
def test_what_nobody_waits_for_can_not_be_answered(engine: Engine, end: str) -> None:
    one = engine.start(workflow(phase(task("a"))))
    engine.run(outcomes={"0/a": [asks()]})
    if end == "cancel":
        engine.do(task_control.cancel, one, "0/a")
    else:
        engine.do(task_control.skip, one, "0/a", "enough")
    with pytest.raises(Refused, match="Nobody waits"):
        engine.do(decisions.decide, raised(engine)[0], "SQLite")


@pytest.mark.parametrize("end", ["cancel", "skip", "rerun", "rollback", "stop"])
def test_a_question_is_withdrawn_with_its_task(engine: Engine, end: str) -> None:
    one = engine.start(workflow(phase(task("a"))))
    engine.run(outcomes={"0/a": [asks()]})
    match end:
        case "cancel":
            engine.do(task_control.cancel, one, "0/a")
        case "skip":
            engine.do(task_control.skip, one, "0/a", "enough")
        case "rerun":
            engine.do(rerun, one, "0/a")
        case "rollback":
            engine.do(rollback, one, 0)
        case _:
            engine.do(control.cancel, one)
    [row] = engine.rows(select(tables.decisions))
    assert (row.status, row.answer) == ("withdrawn", None)
    assert engine.events(one).count("decision.withdrawn") == 1


def test_a_task_that_is_tried_again_may_ask_again(engine: Engine) -> None:
    one = engine.start(workflow(phase(task("a"))))
    engine.run(outcomes={"0/a": [asks()]})
    engine.do(task_control.cancel, one, "0/a")
    engine.do(task_control.retry, one, "0/a")
    engine.run(outcomes={"0/a": [asks()]})
    _, again = raised(engine)
    engine.do(decisions.decide, again, "SQLite")
    engine.run()
    assert engine.status(one) == "completed"


def test_a_question_stays_while_what_its_task_needs_is_done_again(engine: Engine) -> None:
    one = engine.start(workflow(phase(task("a"), task("b", needs=["a"]))))
    engine.run(outcomes={"0/b": [asks()]})
    engine.do(rerun, one, "0/a")
    engine.run()
    [decision] = raised(engine)
    engine.do(decisions.decide, decision, "SQLite")
    engine.run()
    assert engine.status(one) == "completed"


def test_an_answer_during_a_pause_waits_for_its_end(engine: Engine) -> None:
    one = engine.start(workflow(phase(task("a"))))
    engine.run(outcomes={"0/a": [asks()]})
    engine.do(control.pause, one)
    engine.do(decisions.decide, raised(engine)[0], "SQLite")
    engine.run()
    assert engine.status(one) == "paused"
    engine.resume(one)
    engine.run()
    assert engine.status(one) == "completed"


def test_a_need_that_is_opened_meanwhile_is_waited_for_as_well(engine: Engine) -> None:
    first = phase(
        task("a", milestone="m"), task("b", needs=["a"]), milestones=[milestone("m", check())]
    )
    one = engine.start(workflow(first))
    engine.run(outcomes={"0/b": [asks()]}, queues=["agent.models"])
    bad = [lambda claim: Judged(judgements(claim, "failed", "broken"), claim.tip)]
    engine.run(outcomes={"0/m": bad}, queues=[SYSTEM_QUEUE])
    assert engine.states(one) == {"0/a": "queued", "0/b": "waiting"}
    engine.do(decisions.decide, raised(engine)[0], "SQLite")
    assert engine.states(one)["0/b"] == "waiting"
    engine.run()
    assert engine.status(one) == "completed"


def test_the_need_comes_home_first_and_the_question_stays(engine: Engine) -> None:
    first = phase(
        task("a", milestone="m"), task("b", needs=["a"]), milestones=[milestone("m", check())]
    )
    one = engine.start(workflow(first))
    engine.run(outcomes={"0/b": [asks()]}, queues=["agent.models"])
    bad = [lambda claim: Judged(judgements(claim, "failed", "broken"), claim.tip)]
    engine.run(outcomes={"0/m": bad}, queues=[SYSTEM_QUEUE])
    engine.run()
    assert engine.states(one) == {"0/a": "completed", "0/b": "waiting"}
    engine.do(decisions.decide, raised(engine)[0], "SQLite")
    engine.run()
    assert engine.status(one) == "completed"


def test_after_a_rerun_nobody_waits_for_the_old_question(engine: Engine) -> None:
    one = engine.start(workflow(phase(task("a"), task("b"), task("c", needs=["a", "b"]))))
    engine.run(outcomes={"0/c": [asks()]})
    engine.do(rollback, one, 0)
    engine.run()
    assert engine.status(one) == "completed"
    with pytest.raises(Refused):
        engine.do(decisions.decide, raised(engine)[0], "SQLite")
