"""The fake worker keeps the contract of a real one: what it takes, reports and hands on."""

import random
from collections.abc import Iterator

import pytest

from conductor_app.domain.outcome import Conflicted, Failed, Judged, Succeeded
from conductor_app.queue import SYSTEM_QUEUE, Hint
from tests.fakes import invariants
from tests.fakes.engine import Engine, check, engine_on, milestone, phase, task, workflow
from tests.fakes.worker import DIES, judgements

CHAIN = workflow(
    phase(task("a"), task("b", needs=["a"]), task("c", needs=["b"]), task("d", "api", needs=["c"]))
)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as engine:
        yield engine


def test_it_does_what_is_published_until_nothing_is_left(engine: Engine) -> None:
    id_ = engine.start(CHAIN)
    worker = engine.run()
    assert worker.done == ["0/a", "0/b", "0/c", "0/d"]
    assert engine.status(id_) == "completed"
    assert engine.queue.hints == []


def test_it_stops_as_soon_as_the_condition_holds(engine: Engine) -> None:
    engine.start(CHAIN)
    worker = engine.worker()
    worker.run(until=lambda: "0/b" in worker.done)
    assert worker.done == ["0/a", "0/b"]
    worker.run()
    assert worker.done[2:] == ["0/c", "0/d"]


def test_a_chain_goes_on_only_after_an_answer_that_says_so(engine: Engine) -> None:
    engine.start(CHAIN)
    (chain,) = engine.published()
    assert len(chain.links) == 3
    worker = engine.worker(outcomes={"0/b": [Failed("AGENT_ERROR", "no", retryable=False)]})
    answer = worker.deliver(chain)
    assert answer is not None and answer.chain
    worker.run()
    assert worker.done == ["0/a", "0/b"]


def test_a_link_that_was_not_released_finds_nothing_to_claim(engine: Engine) -> None:
    engine.start(CHAIN)
    (chain,) = engine.published()
    assert engine.worker().deliver(Hint(chain.queue, chain.priority, chain.links[1:])) is None


def test_outcomes_are_for_one_time_each_then_all_goes_well(engine: Engine) -> None:
    id_ = engine.start(workflow(phase(task("a", retry={"base": 0}))))
    failures = [Failed("TIMEOUT", "slow"), Failed("TIMEOUT", "slow again")]
    worker = engine.run(outcomes={"0/a": failures})
    assert worker.done == ["0/a"] * 3
    assert engine.task(id_, "0/a").failures == 2
    assert engine.task(id_, "0/a").status == "completed"


def test_an_outcome_may_depend_on_the_claim(engine: Engine) -> None:
    id_ = engine.start(workflow(phase(task("a"))))
    engine.run(outcomes={"0/a": [lambda claim: Succeeded(f"attempt {claim.attempt_number}")]})
    assert engine.task(id_, "0/a").summary == "attempt 1"


def test_work_with_files_is_integrated_by_its_winner(engine: Engine) -> None:
    id_ = engine.start(workflow(phase(task("a", files=True))))
    worker = engine.run(outcomes={"integrate": [Conflicted("a.py"), None]})
    assert worker.done == ["checkpoint", "0/a", "0/a", "checkpoint"]
    done = engine.task(id_, "0/a")
    assert done.status == "completed" and done.commit == engine.execution(id_).tip
    assert [note["kind"] for note in done.notes] == ["CONFLICT"]


def test_checks_pass_unless_told_otherwise(engine: Engine) -> None:
    id_ = engine.start(
        workflow(phase(task("a", milestone="m"), milestones=[milestone("m", check())]))
    )
    worker = engine.run()
    assert worker.done == ["0/a", "0/m"]
    assert engine.milestone(id_, "0/m").status == "completed"


def test_a_failed_check_opens_its_task_again(engine: Engine) -> None:

    engine.start(workflow(phase(task("a", milestone="m"), milestones=[milestone("m", check())])))
    bad = [lambda claim: Judged(judgements(claim, "failed", "broken"), claim.tip)]
    worker = engine.run(outcomes={"0/m": bad})
    assert worker.done == ["0/a", "0/m", "0/a", "0/m"]


def test_a_worker_that_dies_reports_nothing(engine: Engine) -> None:
    id_ = engine.start(workflow(phase(task("a"))))
    engine.run(outcomes={"0/a": [DIES]})
    assert engine.task(id_, "0/a").status == "active"
    engine.expire_leases()
    engine.run(name="worker-2")
    assert engine.task(id_, "0/a").status == "completed"


def test_it_takes_only_the_queues_it_is_told_to(engine: Engine) -> None:
    engine.start(workflow(phase(task("a"), task("b", "api"))))
    worker = engine.run(queues=["agent.api", SYSTEM_QUEUE])
    assert worker.done == ["0/b"]
    assert [hint.queue for hint in engine.queue.hints] == ["agent.models"]


@pytest.mark.parametrize("seed", range(3))
def test_order_and_copies_of_messages_change_nothing(engine: Engine, seed: int) -> None:
    tasks = [task(f"t{n}", needs=[f"t{n // 2}"] if n else []) for n in range(12)]
    id_ = engine.start(workflow(phase(*tasks), phase(task("last", "api"))))
    worker = engine.run(shuffle=random.Random(seed), copies=3)
    assert sorted(worker.done) == [*sorted(f"0/t{n}" for n in range(12)), "1/last"]
    assert engine.status(id_) == "completed"
    invariants.hold(engine)
