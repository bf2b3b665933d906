"""Milestones and phases: when they are judged, and what is done again when they fail."""

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from conductor_app.domain.outcome import (
    Checkpointed,
    Conflicted,
    Failed,
    Interrupted,
    Judged,
    Judgement,
)
from conductor_app.engine import control, task_control
from conductor_app.errors import Refused
from conductor_app.queue import SYSTEM_QUEUE
from conductor_app.store.tables import errors
from tests.fakes import invariants
from tests.fakes.engine import Engine, check, engine_on, milestone, phase, task, workflow
from tests.fakes.worker import DIES

GIVES_UP = Failed("TOOL_LIMIT", "too much")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as opened:
        yield opened
        invariants.hold(opened)


def bad(reopens: str | None = None) -> Judged:
    evidence = {"log": "the log of the check"}
    return Judged(
        (Judgement("milestone", "m", "works", "command", "failed", "no", evidence, reopens),), "tip"
    )


def unjudged(reopens: str | None = None) -> Judged:
    """A check whose means are not there, beside one that has failed."""
    return Judged(
        (
            Judgement("m", "m", "runs", "command", "failed", "install it", {}, reopens, True),
            Judgement("m", "m", "works", "command", "failed", "no", {}, reopens),
        ),
        "tip",
    )


def with_milestone(*tasks: dict[str, object], **fields: object) -> dict[str, object]:
    return phase(*tasks, milestones=[milestone("m", check())], **fields)


class TestMilestones:
    def test_its_checks_run_when_its_tasks_are_done(self, engine: Engine) -> None:
        one = engine.start(workflow(with_milestone(task("a", milestone="m"), task("b", "api"))))
        engine.run(queues=["agent.models"])
        assert engine.milestone(one, "0/m").status == "validating"
        engine.run(queues=[SYSTEM_QUEUE])
        assert engine.milestone(one, "0/m").status == "completed"
        assert engine.phase(one, 0).status == "in_progress"
        engine.run()
        assert engine.status(one) == "completed"

    def test_one_without_checks_is_reached_with_its_tasks(self, engine: Engine) -> None:
        one = engine.start(
            workflow(phase(task("a", milestone="m"), task("b", "api"), milestones=[milestone("m")]))
        )
        engine.run(queues=["agent.models"])
        assert engine.milestone(one, "0/m").status == "completed"

    def test_what_was_skipped_must_still_be_proven(self, engine: Engine) -> None:
        required = {"key": "m", "name": "m", "required_agents": ["models"], "checks": [check()]}
        one = engine.start(workflow(phase(task("a", milestone="m"), milestones=[required])))
        engine.do(task_control.skip, one, "0/a", "done by hand")
        engine.run(outcomes={"0/m": [bad()]})
        row = engine.execution(one)
        assert (row.status, row.reason) == ("paused", "blocked")
        assert "works: no" in row.reason_detail
        assert engine.milestone(one, "0/m").status == "failed"
        engine.resume(one)
        engine.run()
        assert engine.milestone(one, "0/m").status == "completed"
        assert engine.states(one) == {"0/a": "skipped"}
        assert engine.status(one) == "completed"

    def test_what_fails_opens_its_last_task_again(self, engine: Engine) -> None:
        one = engine.start(workflow(with_milestone(task("a", milestone="m"), task("b"))))
        worker = engine.run(outcomes={"0/m": [bad()]})
        assert worker.done.count("0/a") == 2 and worker.done.count("0/b") == 1
        row = engine.task(one, "0/a")
        assert (row.generation, row.notes[0]["kind"]) == (2, "CHECK_FAILED")
        assert "the log of the check" in row.notes[0]["detail"]
        assert engine.status(one) == "completed"

    @pytest.mark.parametrize("reopens", [None, "a"])
    def test_absent_means_are_no_agents_to_mend(self, engine: Engine, reopens: str | None) -> None:
        one = engine.start(workflow(with_milestone(task("a", milestone="m"))))
        worker = engine.run(outcomes={"0/m": [unjudged(reopens)]})
        assert worker.done == ["0/a", "0/m"]
        row = engine.execution(one)
        assert (row.status, row.reason) == ("paused", "blocked")
        assert "Milestone m can't be judged (runs: install it)" in row.reason_detail
        assert "`conductor start` validates again" in row.reason_detail
        assert engine.task(one, "0/a").generation == 1
        engine.resume(one)
        assert engine.run().done == ["0/m"]
        assert engine.status(one) == "completed"

    def test_what_fails_opens_the_task_that_it_names(self, engine: Engine) -> None:
        one = engine.start(
            workflow(with_milestone(task("a", milestone="m"), task("b", needs=["a"])))
        )
        engine.run(outcomes={"0/m": [bad(reopens="b")]})
        assert engine.status(one) == "completed"
        assert engine.task(one, "0/b").generation == 2
        assert engine.task(one, "0/a").generation == 1

    def test_also_one_of_an_earlier_phase(self, engine: Engine) -> None:
        one = engine.start(
            workflow(
                with_milestone(task("base", milestone="m")),
                with_milestone(task("a", milestone="m", needs=["0/base"])),
            )
        )
        worker = engine.run(outcomes={"1/m": [bad(reopens="0/base")]})
        assert worker.done == ["0/base", "0/m", "1/a", "1/m", "0/base", "1/m"]
        assert engine.status(one) == "completed"

    def test_two_that_hold_one_task_to_account_open_it_once(self, engine: Engine) -> None:
        one = engine.start(
            workflow(
                phase(
                    task("base"),
                    task("a", milestone="one", needs=["base"]),
                    task("b", milestone="two", needs=["base"]),
                    milestones=[
                        milestone("one", check(task="base")),
                        milestone("two", check(task="base")),
                    ],
                )
            )
        )
        worker = engine.run(
            outcomes={"0/one": [bad(reopens="base")], "0/two": [bad(reopens="base")]}
        )
        assert engine.status(one) == "completed"
        assert worker.done.count("0/base") in (2, 3)
        assert engine.task(one, "0/a").generation == engine.task(one, "0/b").generation == 1

    def test_a_verdict_on_replaced_work_counts_for_nothing(self, engine: Engine) -> None:
        """The check run was on its way when another one opened the milestone's task again."""
        one = engine.start(
            workflow(
                phase(
                    task("a", milestone="one"),
                    task("b", milestone="two"),
                    milestones=[milestone("one", check()), milestone("two", check(task="a"))],
                )
            )
        )
        engine.register("system", [SYSTEM_QUEUE], slots=8)
        engine.run(queues=["agent.models"])
        of_one, of_two = engine.jobs(one, "check")
        worker = engine.worker()
        first, second = worker.claim(of_one.id), worker.claim(of_two.id)
        assert first is not None and second is not None
        assert worker.report(second, bad(reopens="a")).accepted
        assert engine.milestone(one, "0/one").status == "pending"
        assert not worker.report(first, Judged((), "old tip")).accepted
        engine.run()
        engine.due()
        engine.run()
        assert engine.status(one) == "completed"

    def test_rounds_are_limited_and_resuming_validates_again(self, engine: Engine) -> None:
        one = engine.start(workflow(with_milestone(task("a", milestone="m", retry={"max": 1}))))
        engine.run(outcomes={"0/m": [bad(), bad()]})
        row = engine.execution(one)
        assert (row.status, row.reason) == ("paused", "blocked")
        assert "works: no" in row.reason_detail
        assert "or `conductor rollback --to 0` does the phase again" in row.reason_detail
        assert engine.milestone(one, "0/m").status == "failed"
        engine.resume(one)
        engine.run()
        assert engine.status(one) == "completed"

    def test_another_way_out_does_not_hide_a_failed_milestone(self, engine: Engine) -> None:
        one = engine.start(
            workflow(with_milestone(task("a", milestone="m", retry={"max": 0}), task("b", "api")))
        )
        engine.run(outcomes={"0/b": [GIVES_UP], "0/m": [bad()]}, queues=["agent.models", "system"])
        engine.resume(one)
        engine.run(outcomes={"0/m": [bad()]}, queues=["agent.models", "system"])
        assert engine.milestone(one, "0/m").status == "failed"
        engine.do(task_control.skip, one, "0/b", "not now")
        assert engine.execution(one).reason == "blocked"
        assert "Milestone m" in engine.execution(one).reason_detail

    def test_one_that_a_person_asks_for_changes_nothing(self, engine: Engine) -> None:
        one = engine.start(workflow(with_milestone(task("a", milestone="m"))))
        engine.do(control.validate, one, "0/m")
        engine.run(outcomes={"0/m": [bad()]}, queues=[SYSTEM_QUEUE])
        assert engine.milestone(one, "0/m").status == "pending"
        engine.run()
        assert engine.status(one) == "completed"


class TestReopenedNeeds:
    def flow(self, engine: Engine) -> str:
        return engine.start(
            workflow(
                with_milestone(task("a", milestone="m"), task("b", "api", needs=["a"])),
            )
        )

    def test_what_is_queued_waits_again(self, engine: Engine) -> None:
        one = self.flow(engine)
        engine.run(queues=["agent.models"])
        assert engine.states(one)["0/b"] == "queued"
        engine.run(outcomes={"0/m": [bad()]}, queues=[SYSTEM_QUEUE])
        assert engine.states(one) == {"0/a": "queued", "0/b": "waiting"}
        assert engine.worker().claim(engine.task(one, "0/b").id) is None
        engine.run()
        assert engine.status(one) == "completed"

    def test_what_runs_goes_on_but_does_not_start_again_before(self, engine: Engine) -> None:
        one = self.flow(engine)
        engine.run(queues=["agent.models"])
        worker = engine.worker()
        taken = worker.claim(engine.task(one, "0/b").id)
        assert taken is not None
        engine.run(outcomes={"0/m": [bad()]}, queues=[SYSTEM_QUEUE])
        worker.report(taken, Failed("TIMEOUT", "slow"))
        assert engine.states(one) == {"0/a": "queued", "0/b": "waiting"}
        done = engine.run().done
        engine.later(10)
        engine.due()
        done += engine.run().done
        assert done.index("0/a") < done.index("0/b")
        assert engine.status(one) == "completed"

    def test_nor_after_a_lost_lease_or_a_conflict(self, engine: Engine) -> None:
        one = engine.start(
            workflow(
                with_milestone(task("a", milestone="m"), task("b", "api", needs=["a"], files=True))
            )
        )
        engine.run(queues=["system"])
        engine.run(queues=["agent.models"])
        engine.run(queues=["agent.api"], outcomes={"integrate": [DIES]})
        engine.run(outcomes={"0/m": [bad()]}, queues=[SYSTEM_QUEUE])
        assert engine.states(one) == {"0/a": "queued", "0/b": "integrating"}
        engine.expire_leases()
        engine.run(outcomes={"integrate": [Conflicted("x")]}, queues=[SYSTEM_QUEUE])
        assert engine.states(one)["0/b"] == "waiting"
        engine.run()
        assert engine.status(one) == "completed"


class TestPhases:
    def checked(self, engine: Engine, **wanted: object) -> str:
        return engine.start(
            workflow(
                phase(task("a", retry={"max": 1}), exit_criteria=[check()], tests=[check("tests")]),
                phase(task("b")),
            ),
            **wanted,
        )

    def test_it_is_left_when_its_checks_pass(self, engine: Engine) -> None:
        one = self.checked(engine)
        assert engine.run().done == ["0/a", "phase/0", "1/b"]
        assert engine.status(one) == "completed"

    def test_what_fails_opens_a_task_again_up_to_its_limit(self, engine: Engine) -> None:
        one = self.checked(engine)
        engine.run(outcomes={"phase/0": [bad(), bad()]})
        assert engine.task(one, "0/a").generation == 2
        assert engine.execution(one).reason == "blocked"
        assert engine.phase(one, 0).verdict == "failed"
        engine.resume(one)
        engine.run()
        assert engine.status(one) == "completed"

    def test_absent_means_are_no_agents_to_mend(self, engine: Engine) -> None:
        one = self.checked(engine)
        worker = engine.run(outcomes={"phase/0": [unjudged()]})
        assert worker.done == ["0/a", "phase/0"]
        row = engine.execution(one)
        assert (row.status, row.reason) == ("paused", "blocked")
        assert "Phase 0 can't be judged (runs: install it)" in row.reason_detail
        kinds = [each.kind for each in engine.rows(select(errors.c.kind))]
        assert sorted(kinds) == ["CHECK_FAILED", "MEANS_ABSENT"]
        engine.resume(one)
        assert engine.run().done == ["phase/0", "1/b"]
        assert engine.status(one) == "completed"

    def test_a_task_of_an_earlier_phase_is_done_again_before_the_next_verdict(
        self, engine: Engine
    ) -> None:
        one = engine.start(workflow(phase(task("base")), phase(task("a"), exit_criteria=[check()])))
        worker = engine.run(outcomes={"phase/1": [bad(reopens="0/base")]})
        assert worker.done == ["0/base", "1/a", "phase/1", "0/base", "phase/1"]
        assert engine.status(one) == "completed"

    def test_a_verdict_that_comes_during_a_pause_counts_on_resume(self, engine: Engine) -> None:
        one = self.checked(engine)
        engine.run(queues=["agent.models"])
        worker = engine.worker()
        taken = worker.claim(engine.jobs(one, "check")[0].id)
        assert taken is not None
        engine.do(control.pause, one)
        worker.report(taken, Judged((), "tip"))
        assert engine.execution(one).current_phase == 0
        engine.resume(one)
        assert engine.execution(one).current_phase == 1
        engine.run()
        assert engine.status(one) == "completed"

    def test_without_automatic_advance_a_person_is_waited_for(self, engine: Engine) -> None:
        one = self.checked(engine, auto_advance=False)
        engine.run()
        assert engine.phase(one, 0).status == "validating"
        assert engine.execution(one).current_phase == 0
        engine.do(control.advance, one)
        engine.run()
        assert engine.phase(one, 0).status == "completed"
        engine.do(control.advance, one)
        assert engine.status(one) == "completed"

    def test_an_advance_is_refused_with_what_is_missing(self, engine: Engine) -> None:
        one = self.checked(engine, auto_advance=False)
        with pytest.raises(Refused, match="task 0/a is queued"):
            engine.do(control.advance, one)

    def test_a_pause_during_the_last_checkpoint_does_not_keep_it_from_its_end(
        self, engine: Engine
    ) -> None:
        one = engine.start(workflow(phase(task("a", files=True))))
        engine.run(outcomes={"checkpoint": [Checkpointed("base", "tag"), DIES]})
        engine.do(control.pause, one)
        engine.expire_leases()
        engine.run()
        assert engine.status(one) == "completed"


class TestCheckpoint:
    def test_nothing_starts_before_it(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a", files=True))))
        assert engine.states(one) == {"0/a": "waiting"}
        assert engine.execution(one).hold is not None
        engine.run()
        assert engine.status(one) == "completed"

    def test_what_breaks_it_is_tried_again(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a", files=True))))
        engine.run(outcomes={"checkpoint": [Interrupted("no git")]})
        engine.later(60)
        engine.due()
        engine.run()
        assert engine.status(one) == "completed"
