"""Budgets and the course of an execution: what is used up pauses it, raised it goes on."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from conductor_app.domain.budget import of_execution
from conductor_app.domain.outcome import Failed, Succeeded
from conductor_app.engine.heartbeat import pulse
from conductor_app.store.tables import attempts, budgets
from tests.fakes import invariants
from tests.fakes.engine import Engine, engine_on, phase, task, workflow
from tests.fakes.worker import DIES

EXHAUSTED = Failed("BUDGET_EXHAUSTED", "It is used up. Way out: raise it.", retryable=False)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as engine:
        yield engine


def begun(engine: Engine, minutes: float | None, *keys: str, **outcomes: Any) -> str:
    """An execution with a cap on its working time, its tasks claimed and going on."""
    tasks = [task(key) for key in keys]
    id_ = engine.start(workflow(phase(*tasks), budget={"minutes": minutes} if minutes else {}))
    engine.run(outcomes=outcomes or {f"0/{key}": [DIES] for key in keys})
    return id_


def left(engine: Engine) -> dict[str, int]:
    """What the heartbeats of all active attempts tell, by task."""
    found: dict[str, int] = {}
    for row in engine.rows(select(attempts).where(attempts.c.status == "active")):
        told = engine.do(pulse, row.worker_id, [row.task_id], [], 30_000)
        found |= told.working_left
    return found


def test_a_budget_that_is_used_up_pauses_and_nobody_has_failed(engine: Engine) -> None:
    id_ = engine.start(workflow(phase(task("a"))))
    engine.run(outcomes={"0/a": [EXHAUSTED]})
    row = engine.execution(id_)
    assert (row.status, row.reason) == ("paused", "budget_exhausted")
    assert "Way out" in row.reason_detail
    assert engine.task(id_, "0/a").failures == 0
    invariants.hold(engine)
    engine.resume(id_)
    engine.run()
    assert engine.status(id_) == "completed"


def test_working_time_is_told_with_each_heartbeat(engine: Engine) -> None:
    begun(engine, 1, "a")
    engine.later(20)
    assert list(left(engine).values()) == [40_000]
    engine.later(20)
    assert list(left(engine).values()) == [20_000]


def test_without_a_cap_nothing_is_told(engine: Engine) -> None:
    begun(engine, None, "a")
    assert left(engine) == {}


def test_attempts_at_once_use_the_time_once(engine: Engine) -> None:
    begun(engine, 1, "a", "b")
    engine.later(10)
    engine.tick()
    engine.later(10)
    assert set(left(engine).values()) == {40_000}


def test_time_without_an_attempt_is_nobodys(engine: Engine) -> None:
    id_ = begun(engine, 1, "a", **{"0/a": [EXHAUSTED]})
    engine.later(3600)
    engine.resume(id_)
    engine.run(outcomes={"0/a": [DIES]})
    engine.later(5)
    assert list(left(engine).values()) == [55_000]


def test_an_execution_whose_time_is_up_pauses_and_begins_nothing(engine: Engine) -> None:
    id_ = begun(engine, 1, "a", "b", **{"0/a": [DIES], "0/b": [Failed("CHECK_FAILED", "no")]})
    engine.later(61)
    engine.due()
    worker = engine.run()
    assert "0/b" not in worker.done
    row = engine.execution(id_)
    assert (row.status, row.reason) == ("paused", "budget_exhausted")
    assert "--minutes" in row.reason_detail
    invariants.hold(engine)


def test_the_tick_sees_it_too_and_counts_on_from_there(engine: Engine) -> None:
    id_ = begun(engine, 1, "a")
    for _ in range(7):
        engine.later(5)
        left(engine)
        engine.tick()
    row = engine.rows(select(budgets).where(budgets.c.id == of_execution(id_)))[0]
    assert row.working_ms_spent == 35_000
    assert engine.status(id_) == "running"
    for _ in range(6):
        engine.later(5)
        left(engine)
        engine.tick()
    assert engine.status(id_) == "paused"


def test_succeeding_in_the_last_second_counts(engine: Engine) -> None:
    id_ = begun(engine, 1, "a", **{"0/a": [Succeeded("done")]})
    assert engine.status(id_) == "completed"
