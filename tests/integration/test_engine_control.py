"""What people ask for: rollback, retry, skip, cancel, and what keeps them waiting."""

from collections.abc import Iterator

import pytest

from conductor_app.domain.outcome import Conflicted, Failed, Judged, Judgement
from conductor_app.engine import control, rollback, task_control
from conductor_app.errors import Refused
from conductor_app.queue import SYSTEM_QUEUE
from conductor_app.store.tables import jobs
from tests.fakes import invariants
from tests.fakes.engine import Engine, check, engine_on, milestone, phase, task, workflow
from tests.fakes.worker import DIES

GIVES_UP = Failed("TOOL_LIMIT", "too much")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as opened:
        yield opened
        invariants.hold(opened)


def with_milestone(*tasks: dict[str, object], **fields: object) -> dict[str, object]:
    return phase(*tasks, milestones=[milestone("m", check())], **fields)


class TestRollback:
    def flow(self, engine: Engine, **fields: object) -> str:
        return engine.start(
            workflow(
                with_milestone(task("a", milestone="m", files=True)),
                with_milestone(
                    task("b", milestone="m", files=True, needs=["0/a"]),
                    task("c", "api", files=True, needs=["b"]),
                ),
                phase(task("d", needs=["1/b"])),
            ),
            **fields,
        )

    def to_the_middle_of_phase_1(self, engine: Engine) -> str:
        one = self.flow(engine)
        engine.run(queues=["agent.models", SYSTEM_QUEUE])
        assert engine.states(one) == {
            "0/a": "completed",
            "1/b": "completed",
            "1/c": "queued",
            "2/d": "waiting",
        }
        return one

    def test_it_goes_forward_with_new_generations(self, engine: Engine) -> None:
        one = self.to_the_middle_of_phase_1(engine)
        before = len(engine.events(one))
        assert engine.do(rollback.rollback, one, 1) == 1
        assert engine.states(one) == {
            "0/a": "completed",
            "1/b": "waiting",
            "1/c": "waiting",
            "2/d": "waiting",
        }
        assert engine.task(one, "2/d").needs_left == 1
        engine.run()
        assert engine.status(one) == "completed"
        assert engine.task(one, "1/b").generation == engine.phase(one, 1).generation == 2
        assert len(engine.events(one)) > before

    def test_nothing_starts_while_the_branch_is_moved(self, engine: Engine) -> None:
        one = self.to_the_middle_of_phase_1(engine)
        late = engine.worker().claim(engine.task(one, "1/c").id)
        assert late is not None
        engine.do(rollback.rollback, one, 1)
        hold = engine.execution(one).hold
        assert engine.job(hold).kind == "rollback"
        assert not engine.worker().report(late, GIVES_UP).accepted
        assert [hint.links for hint in engine.published()[-1:]] == [(hold,)]
        engine.change(jobs, jobs.c.id == hold, hinted_at=None)
        engine.tick()
        engine.run()
        assert engine.status(one) == "completed"

    def test_by_default_to_the_phase_before(self, engine: Engine) -> None:
        one = self.to_the_middle_of_phase_1(engine)
        assert engine.do(rollback.rollback, one) == 0
        engine.run()
        assert engine.status(one) == "completed"
        assert engine.task(one, "0/a").generation == 2

    def test_what_was_being_integrated_is_superseded(self, engine: Engine) -> None:
        one = self.to_the_middle_of_phase_1(engine)
        engine.run(outcomes={"integrate": [DIES]})
        assert engine.states(one)["1/c"] == "integrating"
        old = engine.task(one, "1/c").id
        engine.do(rollback.rollback, one, 1)
        integration = engine.jobs(one, "integrate")[-1]
        assert (integration.status, integration.task_id) == ("cancelled", old)
        engine.run()
        assert engine.status(one) == "completed"

    def test_during_a_checkpoint(self, engine: Engine) -> None:
        one = self.flow(engine)
        engine.run(until=lambda: engine.phase(one, 0).status == "validating")
        assert engine.execution(one).hold is not None
        engine.do(rollback.rollback, one, 0)
        engine.run()
        assert engine.status(one) == "completed"

    def test_a_blocked_execution_goes_on_with_it(self, engine: Engine) -> None:
        one = self.flow(engine)
        engine.run(outcomes={"1/b": [GIVES_UP]})
        assert engine.status(one) == "paused"
        engine.do(rollback.rollback, one, 1)
        engine.run()
        assert engine.status(one) == "completed"

    def test_to_a_phase_that_has_not_begun_is_refused(self, engine: Engine) -> None:
        one = self.to_the_middle_of_phase_1(engine)
        for to in (2, 7, -1):
            with pytest.raises(Refused):
                engine.do(rollback.rollback, one, to)

    @pytest.mark.parametrize("done", [True, False])
    def test_what_was_mended_of_an_earlier_phase_is_mended_again(
        self, engine: Engine, done: bool
    ) -> None:
        """Its second commit came after the checkpoint, so the branch loses it."""
        one = engine.start(
            workflow(
                with_milestone(task("a", milestone="m", files=True)),
                with_milestone(task("b", milestone="m", files=True, needs=["0/a"])),
            )
        )
        engine.register("w", ["agent.models", SYSTEM_QUEUE], slots=4)
        reopens = Judged(
            (Judgement("milestone", "m", "works", "command", "failed", "no", {}, "0/a"),), "tip"
        )
        mended = engine.run(
            outcomes={"1/m": [reopens]},
            until=lambda: (
                engine.task(one, "0/a").generation == 2
                and engine.states(one)["0/a"] == ("completed" if done else "queued")
            ),
        )
        assert mended.done.count("1/m") == 1
        if not done:
            assert engine.worker().claim(engine.task(one, "0/a").id) is not None
        engine.do(rollback.rollback, one, 1)
        invariants.hold(engine)
        assert engine.task(one, "0/a").generation == 3
        engine.run()
        assert engine.status(one) == "completed"

    def test_without_a_repository(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a")), phase(task("b", "api"))))
        engine.run(queues=["agent.models"])
        engine.do(rollback.rollback, one, 0)
        assert engine.states(one) == {"0/a": "queued", "1/b": "waiting"}
        engine.run()
        assert engine.status(one) == "completed"


class TestBlocked:
    def stuck(self, engine: Engine) -> str:
        one = engine.start(
            workflow(phase(task("a"), task("b", needs=["a"]), task("c", "api", needs=["a"])))
        )
        engine.run(outcomes={"0/a": [GIVES_UP]})
        assert engine.execution(one).reason == "blocked"
        return one

    def test_skip_takes_the_need_as_met(self, engine: Engine) -> None:
        one = self.stuck(engine)
        engine.do(task_control.skip, one, "0/a", "done by hand")
        engine.run()
        assert engine.status(one) == "completed"
        assert engine.states(one)["0/a"] == "skipped"

    def test_resume_alone_blocks_again(self, engine: Engine) -> None:
        one = self.stuck(engine)
        engine.resume(one)
        assert engine.execution(one).reason == "blocked"

    def test_one_of_two_ways_out_is_not_enough(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a"), task("b", "api"))))
        engine.register("w", ["agent.models", "agent.api"], slots=4)
        worker = engine.worker()
        claims = [worker.claim(engine.task(one, key).id) for key in ("0/a", "0/b")]
        for taken in claims:
            assert taken is not None
            worker.report(taken, GIVES_UP)
        engine.do(task_control.retry, one, "0/a")
        assert engine.execution(one).reason == "blocked"
        engine.do(task_control.retry, one, "0/b")
        engine.run()
        assert engine.status(one) == "completed"

    def test_a_pause_by_a_person_outlasts_what_blocks(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a"))))
        taken = engine.worker().claim(engine.task(one, "0/a").id)
        assert taken is not None
        engine.do(control.pause, one)
        engine.worker().report(taken, GIVES_UP)
        assert engine.execution(one).reason == "person"
        engine.do(task_control.retry, one, "0/a")
        assert engine.execution(one).reason == "person"
        engine.resume(one)
        engine.run()
        assert engine.status(one) == "completed"


class TestTaskControl:
    def test_skipping_a_queued_link_stops_its_chain_and_goes_on(self, engine: Engine) -> None:
        one = engine.start(
            workflow(phase(task("a"), task("b", needs=["a"]), task("c", needs=["b"])))
        )
        engine.do(task_control.skip, one, "0/b", "not needed")
        done = engine.run().done
        assert done == ["0/a", "0/c"]
        assert engine.status(one) == "completed"

    def test_a_running_task_is_stopped_and_its_late_report_refused(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a"))))
        worker = engine.worker()
        taken = worker.claim(engine.task(one, "0/a").id)
        assert taken is not None
        engine.do(task_control.cancel, one, "0/a")
        assert engine.execution(one).reason == "blocked"
        assert not worker.report(taken, GIVES_UP).accepted
        engine.do(task_control.retry, one, "0/a")
        engine.run()
        assert engine.status(one) == "completed"

    def test_what_is_being_integrated_is_waited_for(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a", files=True))))
        engine.run(outcomes={"integrate": [DIES]})
        for use_case, more in ((task_control.skip, ("why",)), (task_control.cancel, ())):
            with pytest.raises(Refused, match="being integrated"):
                engine.do(use_case, one, "0/a", *more)


class TestCancel:
    def test_it_ends_everything(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a"), task("b", needs=["a"])), phase(task("c"))))
        worker = engine.worker()
        taken = worker.claim(engine.task(one, "0/a").id)
        assert taken is not None
        engine.do(control.cancel, one)
        assert engine.status(one) == "cancelled"
        assert set(engine.states(one).values()) == {"cancelled"}
        assert not worker.report(taken, GIVES_UP).accepted
        with pytest.raises(Refused):
            engine.resume(one)

    @pytest.mark.parametrize("comes_home", [True, False])
    def test_a_commit_on_its_way_gets_there_first(self, engine: Engine, comes_home: bool) -> None:
        one = engine.start(
            workflow(phase(task("a", files=True), task("b", needs=["a"]), task("c", "api")))
        )
        engine.run(outcomes={"integrate": [DIES]}, queues=["agent.models", SYSTEM_QUEUE])
        engine.do(control.cancel, one)
        assert engine.execution(one).reason == "cancelling"
        for refused in (control.resume, control.cancel, rollback.rollback):
            with pytest.raises(Refused, match="being cancelled"):
                engine.do(refused, one)
        engine.expire_leases()
        engine.run(outcomes={} if comes_home else {"integrate": [Conflicted("x")]})
        assert engine.status(one) == "cancelled"
        assert engine.states(one) == {
            "0/a": "completed" if comes_home else "cancelled",
            "0/b": "cancelled",
            "0/c": "cancelled",
        }

    def test_checks_asked_for_end_with_the_execution(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a"), exit_criteria=[check()])))
        engine.do(control.test, one)
        asked = engine.jobs(one, "check")[0]
        engine.run(queues=["agent.models"])
        other = engine.jobs(one, "check")[1]
        taken = engine.worker().claim(other.id)
        assert taken is not None
        engine.worker().report(taken, Judged((), "tip"))
        assert engine.status(one) == "completed"
        assert engine.job(asked.id).status == "cancelled"
