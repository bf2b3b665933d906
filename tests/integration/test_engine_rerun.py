"""Rerun by example, on both databases: what is done again, what stays, what is refused."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from conductor_app.cli.words import sentence_of
from conductor_app.domain.outcome import (
    Conflicted,
    Failed,
    Interrupted,
    Judged,
    Judgement,
    Released,
    Succeeded,
)
from conductor_app.engine import control, task_control
from conductor_app.engine.rerun import rerun
from conductor_app.engine.rollback import rollback
from conductor_app.errors import NotFound, Refused
from conductor_app.queue import SYSTEM_QUEUE
from conductor_app.store.tables import events
from tests.fakes import invariants
from tests.fakes.engine import Engine, check, engine_on, milestone, phase, task, workflow
from tests.fakes.worker import DIES, judgements

GIVES_UP = Failed("AGENT_ERROR", "broken", retryable=False)
BAD = Judged((Judgement("milestone", "m", "works", "command", "failed", "no", {}),), "tip")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as opened:
        yield opened
        invariants.hold(opened)


def flow(engine: Engine, files: bool = True, **wanted: Any) -> str:
    """Phase 0: a, then b and c on it, d independent, e last; phase 1: f on c."""
    return engine.start(
        workflow(
            phase(
                task("a", milestone="m", files=files),
                task("b", needs=["a"], milestone="n", files=files),
                task("c", needs=["a"], files=files),
                task("d", milestone="o", files=files),
                task("e", "api", needs=["b", "d"]),
                milestones=[milestone(key, check()) for key in "mno"],
                exit_criteria=[check()],
            ),
            phase(task("f", needs=["0/c"])),
        ),
        **wanted,
    )


def sentences(engine: Engine, one: str) -> list[str]:
    """What is told to those who watch."""
    mine = select(events).where(events.c.stream == f"execution:{one}").order_by(events.c.number)
    told = (sentence_of(event, None) for event in engine.rows(mine))
    return [each.text for each in told if each]


def generations(engine: Engine, one: str) -> dict[str, int]:
    return {key: engine.task(one, key).generation for key in engine.states(one)}


def almost_done(engine: Engine, **wanted: Any) -> str:
    """Everything of phase 0 but its last task."""
    one = flow(engine, **wanted)
    engine.run(queues=["agent.models", SYSTEM_QUEUE])
    assert engine.states(one)["0/e"] == "queued"
    assert engine.milestone(one, "0/n").status == "completed"
    return one


class TestWhatIsDoneAgain:
    def test_the_task_and_what_needs_it_but_nothing_else(self, engine: Engine) -> None:
        one = almost_done(engine)
        assert engine.do(rerun, one, "0/b") == ["0/b", "0/e"]
        assert engine.states(one) == {
            "0/a": "completed",
            "0/b": "waiting",
            "0/c": "completed",
            "0/d": "completed",
            "0/e": "waiting",
            "1/f": "waiting",
        }
        assert engine.milestone(one, "0/m").status == "completed"
        assert engine.milestone(one, "0/n").status == "pending"
        worker = engine.run()
        assert worker.done[0] == "revert"
        assert engine.status(one) == "completed"
        assert generations(engine, one) == {
            "0/a": 1, "0/b": 2, "0/c": 1, "0/d": 1, "0/e": 2, "1/f": 1
        }  # fmt: skip

    def test_what_a_later_phase_needs_is_counted(self, engine: Engine) -> None:
        one = almost_done(engine)
        assert engine.task(one, "1/f").needs_left == 0
        engine.do(rerun, one, "0/c")
        assert engine.task(one, "1/f").needs_left == 1
        engine.run()
        assert engine.status(one) == "completed"

    def test_what_a_person_skipped_stays_skipped(self, engine: Engine) -> None:
        one = almost_done(engine)
        engine.do(task_control.skip, one, "0/e", "not needed")
        engine.do(rerun, one, "0/b")
        engine.run()
        assert engine.states(one)["0/e"] == "skipped"
        assert engine.status(one) == "completed"

    def test_what_is_at_work_on_it_is_stopped(self, engine: Engine) -> None:
        one = almost_done(engine)
        worker = engine.worker()
        late = worker.claim(engine.task(one, "0/e").id)
        assert late is not None
        engine.do(rerun, one, "0/b")
        assert not worker.report(late, GIVES_UP).accepted
        engine.run()
        assert engine.status(one) == "completed"

    def test_what_is_independent_goes_on_meanwhile(self, engine: Engine) -> None:
        one = flow(engine)
        engine.register("w", ["agent.models"], slots=8)
        engine.run(until=lambda: engine.states(one)["0/a"] == "completed")
        worker = engine.worker()
        independent = worker.claim(engine.task(one, "0/d").id)
        assert independent is not None
        engine.do(rerun, one, "0/a")
        assert engine.states(one)["0/d"] == "active"
        assert worker.report(independent, Failed("TIMEOUT", "slow")).accepted
        engine.run()
        engine.later(60)
        engine.due()
        engine.run()
        assert engine.status(one) == "completed"

    def test_what_is_won_meanwhile_comes_home_afterwards(self, engine: Engine) -> None:
        """Its worker sees the hold, and gives the integration back."""
        one = flow(engine)
        engine.register("w", ["agent.models", SYSTEM_QUEUE], slots=8)
        engine.run(until=lambda: engine.states(one)["0/a"] == "completed")
        worker = engine.worker(outcomes={"integrate": [Released()]})
        independent = worker.claim(engine.task(one, "0/d").id)
        assert independent is not None
        engine.do(rerun, one, "0/a")
        worker.report(independent, Succeeded("done", "c1", "t1"))
        assert engine.states(one)["0/d"] == "integrating"
        assert "integrate" in engine.run().done
        assert engine.task(one, "0/d").generation == 1
        assert engine.status(one) == "completed"

    def test_again_and_again(self, engine: Engine) -> None:
        one = almost_done(engine)
        for expected in (2, 3):
            engine.do(rerun, one, "0/a")
            engine.run(queues=["agent.models", SYSTEM_QUEUE])
            assert engine.task(one, "0/a").generation == expected
        engine.run()
        assert engine.status(one) == "completed"

    def test_without_files_nothing_is_taken_back(self, engine: Engine) -> None:
        one = almost_done(engine, files=False)
        engine.do(rerun, one, "0/a")
        assert engine.execution(one).hold is None
        assert engine.states(one)["0/a"] == "queued"
        assert "revert" not in engine.run().done
        assert engine.status(one) == "completed"


class TestJudging:
    def test_a_phase_that_was_judged_goes_back_to_work(self, engine: Engine) -> None:
        one = flow(engine, auto_advance=False)
        engine.run()
        assert (engine.phase(one, 0).status, engine.phase(one, 0).verdict) == (
            "validating",
            "passed",
        )
        engine.do(rerun, one, "0/d")
        assert (engine.phase(one, 0).status, engine.phase(one, 0).verdict) == ("in_progress", None)
        assert "phase/0" in engine.run().done
        assert engine.phase(one, 0).verdict == "passed"

    def test_a_verdict_on_its_way_counts_for_nothing(self, engine: Engine) -> None:
        one = flow(engine, auto_advance=False)
        engine.run(until=lambda: engine.phase(one, 0).status == "validating")
        worker = engine.worker()
        judging = worker.claim(engine.jobs(one, "check")[-1].id)
        assert judging is not None
        engine.do(rerun, one, "0/d")
        assert not worker.report(judging, Judged((), "old tip")).accepted
        engine.run()
        assert engine.phase(one, 0).verdict == "passed"

    def test_what_is_being_judged_is_told_apart_from_what_failed(self, engine: Engine) -> None:
        only = phase(
            task("a", milestone="m"), milestones=[milestone("m", check())], exit_criteria=[check()]
        )
        one = engine.start(workflow(only))
        bad: Any = [None, lambda claim: Judged(judgements(claim, "failed", "no"), claim.tip)]
        worker = engine.worker(outcomes={"0/m": bad, "phase/0": bad[1:]})
        worker.run(until=lambda: engine.milestone(one, "0/m").status == "validating")
        engine.do(rerun, one, "0/a")
        worker.run(until=lambda: engine.phase(one, 0).status == "validating")
        engine.do(rerun, one, "0/a")
        worker.run()
        assert engine.status(one) == "completed"
        told = [each for each in sentences(engine, one) if "again" in each or "mend" in each]
        assert told == [
            "Milestone m is judged again: a task is done anew",
            "Phase 0 (Phase 0) is judged again: a task is done anew",
            "Milestone m: a check failed (it works: no); the task behind it is opened again",
            "Phase 0 (Phase 0): its checks found something to mend (it works: no)",
        ]

    def test_a_milestone_that_fails_is_given_its_rounds_again(self, engine: Engine) -> None:
        one = engine.start(
            workflow(
                phase(
                    task("a", milestone="m", retry={"max": 0}), milestones=[milestone("m", check())]
                )
            )
        )
        engine.run(outcomes={"0/m": [BAD]})
        assert engine.execution(one).reason == "blocked"
        engine.do(rerun, one, "0/a")
        assert engine.milestone(one, "0/m").rounds == 0
        engine.run()
        assert engine.status(one) == "completed"


class TestPauses:
    def test_a_failed_task_unblocks_with_it(self, engine: Engine) -> None:
        one = flow(engine)
        engine.run(outcomes={"0/b": [GIVES_UP]})
        assert engine.execution(one).reason == "blocked"
        engine.do(rerun, one, "0/a")
        engine.run()
        assert engine.status(one) == "completed"

    def test_another_that_failed_blocks_on(self, engine: Engine) -> None:
        one = flow(engine)
        engine.run(outcomes={"0/b": [GIVES_UP]})
        engine.do(rerun, one, "0/d")
        engine.run()
        assert engine.execution(one).reason == "blocked"
        engine.do(rerun, one, "0/b")
        engine.run()
        assert engine.status(one) == "completed"

    @pytest.mark.parametrize("use_case", [rerun, rollback])
    def test_a_persons_pause_stays(self, engine: Engine, use_case: object) -> None:
        one = almost_done(engine)
        engine.do(control.pause, one)
        engine.do(use_case, one, "0/a" if use_case is rerun else 0)
        engine.run()
        assert (engine.status(one), engine.execution(one).reason) == ("paused", "person")
        # The branch is moved nevertheless, so that what a person looks at is as was asked.
        assert engine.execution(one).hold is None
        engine.resume(one)
        engine.run()
        assert engine.status(one) == "completed"


class TestTheBranch:
    def test_nothing_starts_before_the_commits_are_taken_back(self, engine: Engine) -> None:
        one = almost_done(engine)
        engine.do(rerun, one, "0/b")
        held = engine.job(engine.execution(one).hold)
        assert (held.kind, held.payload["tasks"]) == ("revert", ["0/b", "0/e"])
        engine.run(outcomes={"revert": [Interrupted("no git")]})
        assert engine.states(one)["0/b"] == "waiting"
        engine.later(60)
        engine.due()
        engine.run()
        assert engine.status(one) == "completed"

    @pytest.mark.parametrize("paused", [False, True])
    def test_what_others_build_on_is_for_a_person_to_decide(
        self, engine: Engine, paused: bool
    ) -> None:
        one = almost_done(engine)
        if paused:
            engine.do(control.pause, one)
        engine.do(rerun, one, "0/b")
        engine.run(outcomes={"revert": [Conflicted("Files: x.py")]})
        row = engine.execution(one)
        assert (row.status, row.reason, row.hold) == ("paused", "blocked", None)
        assert "conductor rollback --to 0" in row.reason_detail
        invariants.no_dead_end(engine)
        engine.resume(one)
        engine.run()
        assert engine.status(one) == "completed"


class TestRefusals:
    def test_other_phases(self, engine: Engine) -> None:
        one = almost_done(engine)
        with pytest.raises(Refused, match="has not begun"):
            engine.do(rerun, one, "1/f")
        engine.run(until=lambda: engine.execution(one).current_phase == 1)
        with pytest.raises(Refused, match="conductor rollback --to 0"):
            engine.do(rerun, one, "0/a")

    def test_what_is_being_integrated_is_waited_for(self, engine: Engine) -> None:
        one = flow(engine)
        engine.run(outcomes={"integrate": [None, DIES]})
        (key,) = [key for key, state in engine.states(one).items() if state == "integrating"]
        with pytest.raises(Refused, match="being integrated"):
            engine.do(rerun, one, key)

    def test_while_the_branch_is_moved(self, engine: Engine) -> None:
        one = almost_done(engine)
        engine.do(rerun, one, "0/b")
        with pytest.raises(Refused, match="in a moment"):
            engine.do(rerun, one, "0/a")

    def test_unknown_tasks_and_ended_executions(self, engine: Engine) -> None:
        one = almost_done(engine)
        with pytest.raises(NotFound):
            engine.do(rerun, one, "0/z")
        engine.do(control.cancel, one)
        with pytest.raises(Refused):
            engine.do(rerun, one, "0/a")
