"""Whatever is lost is found: leases, hints, the sweeper's own contact; what is late is refused."""

import random
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from conductor_app.domain.outcome import Report, Succeeded
from conductor_app.engine import sweep, task_control
from conductor_app.engine.report import report
from conductor_app.queue import ISOLATED_QUEUE, SYSTEM_QUEUE
from conductor_app.store.database import Transaction
from conductor_app.store.executions import Execution
from conductor_app.store.tables import attempts, jobs, leases
from tests.fakes import invariants
from tests.fakes.engine import Engine, check, engine_on, milestone, phase, task, workflow
from tests.fakes.worker import DIES


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as opened:
        yield opened
        invariants.hold(opened)


def attempt_states(engine: Engine) -> list[str]:
    return [row.status for row in engine.rows(select(attempts).order_by(attempts.c.id))]


class TestLostLeases:
    def lose(self, engine: Engine, times: int) -> str:
        one = engine.start(workflow(phase(task("a", retry={"max": 0}))))
        for _ in range(times):
            engine.run(outcomes={"0/a": [DIES]})
            engine.expire_leases()
        return one

    def test_the_job_is_queued_again(self, engine: Engine) -> None:
        one = self.lose(engine, 1)
        engine.run()
        assert engine.status(one) == "completed"
        assert attempt_states(engine) == ["lost", "succeeded"]
        assert engine.task(one, "0/a").failures == 0

    def test_after_two_it_runs_alone(self, engine: Engine) -> None:
        one = self.lose(engine, 2)
        assert [hint.queue for hint in engine.queue.hints] == [ISOLATED_QUEUE]
        engine.run()
        assert engine.status(one) == "completed"

    def test_only_one_is_out_on_the_isolated_queue(self, engine: Engine) -> None:
        engine.start(workflow(phase(task("a"), task("b"))))
        for _ in range(2):
            engine.run(outcomes={"0/a": [DIES], "0/b": [DIES]})
            engine.expire_leases()
        assert [hint.queue for hint in engine.queue.hints] == [ISOLATED_QUEUE]
        engine.run()
        assert attempt_states(engine).count("succeeded") == 2

    def test_three_quarantine_it(self, engine: Engine) -> None:
        one = self.lose(engine, 3)
        row = engine.task(one, "0/a")
        assert (row.status, row.error_kind) == ("failed", "QUARANTINED")
        assert engine.job(row.id).status == "quarantined"
        assert engine.execution(one).reason == "blocked"
        engine.do(task_control.retry, one, "0/a")
        engine.run()
        assert engine.status(one) == "completed"

    def test_check_runs_that_kill_workers_pause_the_execution(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a"), exit_criteria=[check()])))
        for _ in range(3):
            engine.run(outcomes={"phase/0": [DIES]})
            engine.expire_leases()
        assert engine.execution(one).reason == "blocked"
        engine.resume(one)
        engine.run()
        assert engine.status(one) == "completed"

    def test_a_winner_that_dies_is_finished_by_the_system(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a", files=True))))
        engine.run(outcomes={"integrate": [DIES]})
        assert engine.states(one) == {"0/a": "integrating"}
        engine.expire_leases()
        assert [hint.queue for hint in engine.queue.hints] == [SYSTEM_QUEUE]
        engine.run()
        assert engine.status(one) == "completed"

    def test_a_sweeper_that_was_away_waits_one_lease(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a"))))
        engine.tick()
        engine.run(outcomes={"0/a": [DIES]})
        engine.later(3600)
        engine.tick()
        assert engine.states(one) == {"0/a": "active"}
        for _ in range(6):
            engine.later(5)
            engine.tick()
        assert engine.states(one) == {"0/a": "queued"}

    def test_a_late_report_is_refused(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a", files=True))))
        worker = engine.worker()
        checkpoint = engine.execution(one).hold
        engine.run(queues=[SYSTEM_QUEUE])
        assert engine.execution(one).hold != checkpoint
        late = worker.claim(engine.task(one, "0/a").id)
        assert late is not None
        engine.expire_leases()
        answer = worker.report(late, Succeeded("late", "c", "t"))
        assert not answer.accepted and answer.integration is None
        engine.run()
        assert engine.status(one) == "completed"
        assert attempt_states(engine) == ["lost", "succeeded"]

    def test_of_two_reports_in_one_batch_only_the_holders_counts(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a"))))
        worker = engine.worker()
        id_ = engine.task(one, "0/a").id
        late = worker.claim(id_)
        engine.expire_leases()
        holder = worker.claim(id_)
        assert late is not None and holder is not None
        sent = [
            Report(id_, each.fence, Succeeded(f"fence {each.fence}"), each.attempt_id)
            for each in (late, holder)
        ]
        with engine.database.transaction() as tx:
            report(tx, sent, 1000)
        assert engine.task(one, "0/a").summary == "fence 2"
        assert attempt_states(engine) == ["lost", "succeeded"]


class TestHints:
    def test_lost_ones_are_sent_again_when_a_slot_is_free(self, engine: Engine) -> None:
        engine.register("w", ["agent.models"], slots=1)
        one = engine.start(workflow(phase(task("a"))))
        assert len(engine.published()) == 1
        engine.later(29)
        engine.beat("w")
        engine.tick()
        assert engine.published() == []
        engine.later(2)
        engine.tick()
        engine.run()
        assert engine.status(one) == "completed"

    def test_not_while_the_worker_that_would_take_them_is_busy(self, engine: Engine) -> None:
        """Also not when it is busy with another queue's work: its slots are one pool."""
        engine.register("w", ["agent.models", "agent.api"], slots=1)
        one = engine.start(workflow(phase(task("a"), task("b", "api"))))
        engine.published()
        taken = engine.worker(name="w").claim(engine.task(one, "0/a").id)
        assert taken is not None
        engine.later(31)
        engine.beat("w")
        engine.tick()
        assert engine.published() == []

    def test_duplicates_and_disorder_change_nothing(self, engine: Engine) -> None:
        one = engine.start(
            workflow(
                phase(
                    *(task(f"a{n}", files=bool(n % 2)) for n in range(4)),
                    *(task(f"b{n}", "api", needs=[f"a{n}", "a0"]) for n in range(4)),
                    milestones=[milestone("m", check())],
                )
            )
        )
        worker = engine.run(copies=3, shuffle=random.Random(7))
        assert engine.status(one) == "completed"
        assert len(worker.done) == len(set(worker.done)) + worker.done.count("checkpoint") - 1

    def test_deleting_every_message_costs_time_only(self, engine: Engine) -> None:
        queues = ["agent.models", "agent.api", SYSTEM_QUEUE]
        engine.register("w", queues, slots=4)
        one = engine.start(
            workflow(phase(task("a"), task("b", "api", needs=["a"]), exit_criteria=[check()]))
        )
        for _ in range(10):
            engine.published()
            engine.later(31)
            engine.beat("w")
            engine.tick()
            hints = engine.published()
            for hint in hints:
                engine.worker().deliver(hint)
        assert engine.status(one) == "completed"

    def test_an_id_that_is_not_queued_starts_nothing(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a"), task("b", needs=["a"]))))
        worker = engine.worker()
        assert worker.claim("01ARZ3NDEKTSV4RRFFQ69G5FAV") is None
        assert worker.claim(engine.task(one, "0/b").id) is None
        assert engine.states(one) == {"0/a": "queued", "0/b": "waiting"}


class TestTick:
    def test_one_holder_at_a_time(self, engine: Engine) -> None:
        assert engine.tick("one")
        assert not engine.tick("two")
        assert engine.tick("one")
        engine.later(6)
        assert engine.tick("two")
        assert [row.holder for row in engine.rows(select(leases))] == ["two"]

    def test_a_handover_is_no_gap(self, engine: Engine) -> None:
        engine.tick("one")
        since = engine.rows(select(leases))[0].since
        engine.later(6)
        engine.tick("two")
        assert engine.rows(select(leases))[0].since == since

    def test_it_finds_what_is_ready_and_unsent(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a"))))
        engine.published()
        engine.change(jobs, jobs.c.execution_id == one, hinted_at=None)
        engine.tick()
        engine.run()
        assert engine.status(one) == "completed"


def test_an_execution_that_can_not_be_moved_on_holds_up_no_other(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, sound = (engine.start(workflow(phase(task("a"))), project=name) for name in "ab")
    settled: list[str] = []

    def settle(_tx: Transaction, execution: Execution) -> list[str]:
        if execution.id == broken:
            raise RuntimeError("against every rule")
        settled.append(execution.id)
        return []

    monkeypatch.setattr(sweep, "settle", settle)
    with pytest.raises(ExceptionGroup) as failed:
        engine.tick()
    assert [str(each) for each in failed.value.exceptions] == ["against every rule"]
    assert settled == [sound]
