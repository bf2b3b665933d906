"""Why a task is not running: the reason and the way out, for every state it can be in."""

from collections.abc import Iterator
from typing import Any

import pytest

from conductor_app.domain.outcome import Conflicted, Failed, Judged, Succeeded
from conductor_app.engine import control, task_control
from conductor_app.engine.explain import Need, Why, why
from conductor_app.errors import NotFound
from conductor_app.queue import SYSTEM_QUEUE
from tests.fakes.engine import Engine, check, engine_on, phase, task, workflow
from tests.fakes.worker import DIES, judgements

FLOW = workflow(
    phase(task("a"), task("b", needs=["a"]), task("c", "api", needs=["b"])),
    phase(task("d")),
)
GIVEN_UP = Failed("AGENT_ERROR", "It broke.", retryable=False)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as engine:
        yield engine


def ask(engine: Engine, id_: str, key: str) -> Why:
    found: Why = engine.do(why, id_, key)
    return found


def said(engine: Engine, id_: str, key: str) -> str:
    return ask(engine, id_, key).sentence


def started(engine: Engine, *tasks: dict[str, Any], **fields: Any) -> str:
    return engine.start(workflow(phase(*tasks), **fields))


def test_needs_that_are_not_met(engine: Engine) -> None:
    id_ = engine.start(FLOW)
    found = ask(engine, id_, "0/b")
    assert found.state == "waiting"
    assert found.needs == [Need("0/a", "queued")]
    assert found.sentence == "It waits for 0/a (queued)."


def test_a_phase_that_has_not_begun(engine: Engine) -> None:
    id_ = engine.start(FLOW)
    assert said(engine, id_, "1/d") == (
        "Phase 1 has not begun: phase 0 (Phase 0) comes first, with 3 of 3 tasks still open."
    )


@pytest.mark.parametrize(("driver", "auto_advance"), [("automatic", False), ("guided", True)])
def test_a_phase_that_a_person_must_advance(
    engine: Engine, driver: str, auto_advance: bool
) -> None:
    flow = FLOW.model_copy(update={"driver": driver})
    id_ = engine.start(flow, auto_advance=auto_advance)
    engine.run()
    assert "Way out: `conductor advance`" in said(engine, id_, "1/d")


def test_a_phase_that_is_being_validated(engine: Engine) -> None:
    id_ = engine.start(workflow(phase(task("a"), exit_criteria=[check()]), phase(task("d"))))
    engine.run(queues=["agent.models"])
    assert said(engine, id_, "1/d").endswith("is being validated.")


def test_milestones_that_keep_a_phase_open(engine: Engine) -> None:
    first = phase(task("a", milestone="m"), milestones=[{"key": "m", "name": "M", "checks": []}])
    first["milestones"][0]["checks"] = [check()]
    id_ = engine.start(workflow(first, phase(task("d"))))
    engine.run(queues=["agent.models"])
    assert "its milestones and checks not all" in said(engine, id_, "1/d")


def test_a_phase_beyond_the_target(engine: Engine) -> None:
    id_ = engine.start(FLOW, target_phase=0)
    assert "ends with phase 0" in said(engine, id_, "1/d")


def test_no_worker_takes_the_queue(engine: Engine) -> None:
    id_ = started(engine, task("a"))
    assert said(engine, id_, "0/a") == (
        "It is queued, and no worker takes the queue agent.models. "
        "Start workers with `conductor up`."
    )
    engine.register("w1", ["agent.api"], 4)
    assert "no worker takes the queue agent.models" in said(engine, id_, "0/a")


def test_a_worker_that_fell_silent_does_not_count(engine: Engine) -> None:
    id_ = started(engine, task("a"))
    engine.register("w1", ["agent.models"], 4)
    assert "a free worker takes it" in said(engine, id_, "0/a")
    engine.later(31)
    assert "no worker takes the queue" in said(engine, id_, "0/a")


def test_no_free_slot(engine: Engine) -> None:
    id_ = started(engine, task("a"), task("b"))
    engine.register("worker-1", ["agent.models", "agent.api"], 1)
    engine.worker().claim(engine.published()[0].links[0])
    assert "1 slot for the queue agent.models is taken" in said(engine, id_, "0/b")


def test_its_message_waits_for_its_turn(engine: Engine) -> None:
    id_ = started(engine, *[task(f"t{n}") for n in range(9)])
    engine.register("worker-1", ["agent.models"], 4)
    assert "others go first" in said(engine, id_, "0/t8")


def test_a_retry_that_waits_for_its_time(engine: Engine) -> None:
    id_ = started(engine, task("a", retry={"base": 60}))
    engine.run(outcomes={"0/a": [Failed("TIMEOUT", "too slow")]})
    assert said(engine, id_, "0/a") == (
        "It is tried again at 08:01:00 UTC on 15 Jan 2027, in 60 s, after 1 failed attempt. "
        "`conductor retry 0/a` does it now."
    )


def test_the_limit_of_the_execution(engine: Engine) -> None:
    id_ = started(engine, task("a"), task("b", "api"), concurrency=1)
    assert "the execution has 1 task at a time (its limit is 1)" in said(engine, id_, "0/b")


def test_the_limit_of_the_agent(engine: Engine) -> None:
    id_ = started(engine, task("a"), task("b"), agents={"models": {"concurrency": 1}})
    assert "agent-models has 1 task at a time (its limit is 1)" in said(engine, id_, "0/b")


def test_a_pause_by_a_person(engine: Engine) -> None:
    id_ = engine.start(FLOW)
    engine.do(control.pause, id_, "Lunch.")
    assert said(engine, id_, "0/a") == "The execution is paused: Lunch. Way out: `conductor start`."
    assert said(engine, id_, "0/b").endswith("It waits for 0/a (queued).")


def test_a_need_that_failed(engine: Engine) -> None:
    id_ = engine.start(FLOW)
    engine.run(outcomes={"0/b": [GIVEN_UP]})
    of_need = said(engine, id_, "0/c")
    assert of_need.startswith("The execution is paused: 0/b (failed)")
    assert "Way out: `conductor retry 0/b` or `conductor skip 0/b --reason WHY`" in of_need
    failed = ask(engine, id_, "0/b")
    assert failed.state == "failed"
    assert failed.sentence.startswith("AGENT_ERROR: It broke. Way out: `conductor retry 0/b`")


def test_a_checkpoint_comes_first(engine: Engine) -> None:
    id_ = started(engine, task("a", files=True))
    assert said(engine, id_, "0/a").startswith("A checkpoint comes first. It is queued, and no")
    engine.register("worker-1", [SYSTEM_QUEUE], 2)
    engine.worker().claim(engine.published()[0].links[0])
    assert "which worker worker-1 is carrying out" in said(engine, id_, "0/a")


def test_a_task_at_work(engine: Engine) -> None:
    id_ = started(engine, task("a"))
    engine.register("worker-1", ["agent.models"], 2)
    engine.run(outcomes={"0/a": [DIES]})
    found = ask(engine, id_, "0/a")
    assert found.state == "active"
    assert found.sentence.startswith("Worker worker-1 has been at it since 08:00:00 UTC")
    engine.later(3600)
    assert "had it since 08:00:00 UTC" in said(engine, id_, "0/a")
    assert "is not heard of any more" in said(engine, id_, "0/a")
    engine.do(control.pause, id_)
    assert said(engine, id_, "0/a").startswith("The execution is paused: ")


def test_a_task_being_integrated(engine: Engine) -> None:
    id_ = started(engine, task("a", files=True))
    engine.run(outcomes={"integrate": [DIES]})
    assert "brought onto the branch" in said(engine, id_, "0/a")


def test_a_conflict_sends_it_back(engine: Engine) -> None:
    id_ = started(engine, task("a", files=True))
    worker = engine.worker(outcomes={"integrate": [Conflicted("a.py")]})
    worker.run(until=lambda: engine.task(id_, "0/a").notes != [])
    assert ask(engine, id_, "0/a").state == "queued"


def test_after_two_lost_workers_it_runs_alone(engine: Engine) -> None:
    id_ = started(engine, task("a"))
    for _ in range(2):
        engine.run(outcomes={"0/a": [DIES]})
        engine.expire_leases()
    engine.register("worker-2", ["isolated"], 1)
    assert "it runs alone" in said(engine, id_, "0/a")


@pytest.mark.parametrize("files", [False, True])
def test_a_completed_task(engine: Engine, files: bool) -> None:
    id_ = started(engine, task("a", files=files))
    engine.run(outcomes={"0/a": [Succeeded("ok")]} if not files else {})
    proof = "with commit" if files else "changed no file"
    assert proof in said(engine, id_, "0/a")


def test_a_skipped_and_a_cancelled_task(engine: Engine) -> None:
    id_ = engine.start(FLOW)
    engine.do(task_control.skip, id_, "0/a", "not needed")
    engine.do(task_control.cancel, id_, "0/b")
    assert said(engine, id_, "0/a").startswith("A person skipped it: not needed.")
    assert "Way out: `conductor retry 0/b`" in said(engine, id_, "0/b")


def test_an_execution_that_has_ended(engine: Engine) -> None:
    id_ = engine.start(FLOW)
    engine.do(control.cancel, id_)
    assert "anew with `conductor run`." in said(engine, id_, "0/a")


def test_a_task_opened_again_waits_no_longer_than_it_must(engine: Engine) -> None:
    first = phase(task("a"), exit_criteria=[check(task="a")])
    id_ = engine.start(workflow(first))
    bad = [lambda claim: Judged(judgements(claim, "failed", "broken"), claim.tip)]
    worker = engine.worker(outcomes={"phase/0": bad})
    worker.run(until=lambda: worker.done == ["0/a", "phase/0"])
    assert "no worker takes the queue agent.models" in said(engine, id_, "0/a")


def test_what_is_not_there(engine: Engine) -> None:
    id_ = engine.start(FLOW)
    with pytest.raises(NotFound, match="conductor tasks"):
        ask(engine, id_, "0/nothing")
    with pytest.raises(NotFound):
        ask(engine, "nothing", "0/a")


def test_what_a_failed_attempt_did_can_be_found(engine: Engine) -> None:
    id_ = started(engine, task("a"))
    failed = Failed("AGENT_ERROR", "It broke.", retryable=False, kept="refs/conductor/kept/1")
    engine.run(outcomes={"0/a": [failed]})
    assert "Its work is kept: `git show refs/conductor/kept/1`. Way out:" in said(
        engine, id_, "0/a"
    )
