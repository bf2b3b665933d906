"""Attempts that wait: they hold no worker, cost no failure, and go on when the wait is over."""

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from conductor_app.domain.outcome import Failed, Suspended, Usage
from conductor_app.engine.explain import why
from conductor_app.store.tables import attempts
from tests.fakes import invariants
from tests.fakes.engine import Engine, engine_on, phase, task, workflow

ONCE = {"max": 1, "backoff": "fixed", "base": 0}
THRICE = {"max": 3, "backoff": "exponential", "base": 10}


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as opened:
        yield opened
        invariants.hold(opened)


def limited(seconds: float | None = None, turns: int = 0) -> Suspended:
    return Suspended("API_LIMIT", "Too many calls.", seconds, usage=Usage(turns, 7, 3))


def rows(engine: Engine) -> list[tuple[str, int]]:
    found = engine.rows(select(attempts).order_by(attempts.c.id))
    return [(row.status, row.input_tokens) for row in found]


def due_in(engine: Engine, id_: str, key: str = "0/a") -> float:
    return float((engine.job(engine.task(id_, key).id).not_before - engine.now) / 1000)


def go_on(engine: Engine, seconds: float) -> None:
    engine.later(seconds)
    engine.due()


def test_it_waits_as_long_as_it_was_asked_to_and_counts_no_failure(engine: Engine) -> None:
    one = engine.start(workflow(phase(task("a", retry=ONCE))))
    engine.run(outcomes={"0/a": [limited(90)]})
    assert engine.states(one) == {"0/a": "queued"}
    assert due_in(engine, one) == 90
    go_on(engine, 89)
    assert engine.published() == []
    go_on(engine, 2)
    engine.run()
    assert engine.status(one) == "completed"
    assert engine.task(one, "0/a").failures == 0
    assert rows(engine) == [("suspended", 7), ("succeeded", 0)]


def test_it_says_what_it_waits_for(engine: Engine) -> None:
    one = engine.start(workflow(phase(task("a"))))
    engine.run(outcomes={"0/a": [limited(90)]})
    sentence = engine.do(why, one, "0/a").sentence
    assert "in 90 s: Too many calls." in sentence


def test_nobody_says_how_long_so_each_wait_is_longer(engine: Engine) -> None:
    one = engine.start(workflow(phase(task("a", retry=THRICE))))
    waited = []
    for _ in range(3):
        engine.run(outcomes={"0/a": [limited()]})
        waited.append(due_in(engine, one))
        go_on(engine, waited[-1])
    assert waited == [10, 20, 40]


def test_what_is_asked_for_without_end_is_not_believed(engine: Engine) -> None:
    one = engine.start(workflow(phase(task("a"))))
    engine.run(outcomes={"0/a": [limited(1e12)]})
    assert due_in(engine, one) == 86_400


def test_waiting_in_vain_becomes_a_failure(engine: Engine) -> None:
    one = engine.start(workflow(phase(task("a", retry=ONCE))))
    engine.run(outcomes={"0/a": [limited()] * 4})
    assert [status for status, _ in rows(engine)] == ["suspended", "failed", "suspended", "failed"]
    assert engine.states(one) == {"0/a": "failed"}
    assert "It has waited 1 times" in engine.task(one, "0/a").error_message


def test_a_turn_in_between_begins_the_count_again(engine: Engine) -> None:
    one = engine.start(workflow(phase(task("a", retry=ONCE))))
    engine.run(outcomes={"0/a": [limited(turns=1)] * 5})
    assert engine.status(one) == "completed"
    assert engine.task(one, "0/a").failures == 0


def test_what_is_never_tried_again_does_not_wait_either(engine: Engine) -> None:
    one = engine.start(workflow(phase(task("a", retry={"on": ["TIMEOUT"]}))))
    engine.run(outcomes={"0/a": [limited(1)]})
    assert engine.states(one) == {"0/a": "failed"}


def test_a_wait_without_bound_goes_on(engine: Engine) -> None:
    one = engine.start(workflow(phase(task("a", retry=ONCE))))
    wait = Suspended("BUDGET_EXHAUSTED", "Others hold what is left.", 1.0, bounded=False)
    for _ in range(6):
        engine.run(outcomes={"0/a": [wait]})
        go_on(engine, 1)
    engine.run()
    assert engine.status(one) == "completed"


def test_a_failure_in_between_begins_a_round_of_its_own(engine: Engine) -> None:
    one = engine.start(workflow(phase(task("a", retry={"max": 2, "base": 0, "backoff": "fixed"}))))
    engine.run(outcomes={"0/a": [limited(), Failed("TIMEOUT", "slow"), limited(), limited()]})
    assert engine.status(one) == "completed"
    assert engine.task(one, "0/a").failures == 1


def test_others_are_not_held_up(engine: Engine) -> None:
    one = engine.start(workflow(phase(task("a"), task("b"), task("c", needs=["a"]))))
    engine.run(outcomes={"0/a": [limited(60)]})
    assert engine.states(one) == {"0/a": "queued", "0/b": "completed", "0/c": "waiting"}
    go_on(engine, 61)
    engine.run()
    assert engine.status(one) == "completed"
