"""What goes wrong and what follows: retries, infrastructure, integrations that fail."""

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from conductor_app.domain.outcome import (
    Conflicted,
    Failed,
    Integrated,
    Interrupted,
    Judged,
    Outcome,
    Released,
    Report,
    Succeeded,
    Unreadable,
)
from conductor_app.engine import control, task_control
from conductor_app.engine.claim import Claim
from conductor_app.engine.explain import why
from conductor_app.engine.report import report
from conductor_app.ids import new_id
from conductor_app.queue import SYSTEM_QUEUE
from conductor_app.store.tables import attempts, errors
from tests.fakes import invariants
from tests.fakes.engine import Engine, check, engine_on, milestone, phase, task, workflow
from tests.fakes.worker import DIES, judgements

TIMEOUT = Failed("TIMEOUT", "too slow", "the log")
PATIENT = {"max": 2, "backoff": "exponential", "base": 10, "escalate_after": 2}


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as opened:
        yield opened
        invariants.hold(opened)


def severities(engine: Engine) -> list[str]:
    return [row.severity for row in engine.rows(select(errors).order_by(errors.c.id))]


def attempt_states(engine: Engine) -> list[str]:
    return [row.status for row in engine.rows(select(attempts).order_by(attempts.c.id))]


class TestRetries:
    def test_a_failure_is_tried_again_after_its_waiting_time(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a", retry=PATIENT))))
        engine.run(outcomes={"0/a": [TIMEOUT]})
        assert engine.states(one) == {"0/a": "queued"}
        engine.later(9)
        engine.due()
        assert engine.published() == []
        engine.later(2)
        engine.due()
        engine.run()
        assert engine.status(one) == "completed"
        assert attempt_states(engine) == ["failed", "succeeded"]

    def test_it_is_kept_while_a_need_that_was_opened_again_is_waited_for(
        self, engine: Engine
    ) -> None:
        first = phase(
            task("a", milestone="m"),
            task("b", needs=["a"], retry=PATIENT),
            milestones=[milestone("m", check())],
        )
        one = engine.start(workflow(first))
        engine.run(outcomes={"0/b": [TIMEOUT]}, queues=["agent.models"])
        due = engine.job(engine.task(one, "0/b").id).not_before
        assert due > engine.now
        bad = [lambda claim: Judged(judgements(claim, "failed", "broken"), claim.tip)]
        engine.run(outcomes={"0/m": bad}, queues=[SYSTEM_QUEUE])
        assert engine.states(one) == {"0/a": "queued", "0/b": "waiting"}
        engine.run()
        assert engine.states(one) == {"0/a": "completed", "0/b": "queued"}
        assert engine.job(engine.task(one, "0/b").id).not_before == due
        engine.later(11)
        engine.due()
        engine.run()
        assert engine.status(one) == "completed"

    def test_the_next_attempt_is_told_what_went_wrong(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a", retry={"base": 0}))))
        told: list[tuple[int, list[str]]] = []

        def listen(claim: Claim) -> Succeeded:
            told.append((claim.failures, [note["detail"] for note in claim.notes]))
            return Succeeded()

        engine.run(outcomes={"0/a": [TIMEOUT, listen]})
        assert told == [(1, ["the log"])]
        assert engine.status(one) == "completed"

    def test_waiting_times_grow_and_the_last_failure_asks_for_attention(
        self, engine: Engine
    ) -> None:
        one = engine.start(workflow(phase(task("a", retry=PATIENT))))
        waits = []
        for _ in range(2):
            before = engine.now
            engine.run(outcomes={"0/a": [TIMEOUT]})
            waits.append(engine.job(engine.task(one, "0/a").id).not_before - before)
            engine.later(60)
            engine.due()
        assert waits == [10_000, 20_000]
        assert severities(engine) == ["low", "medium"]

    def test_too_many_failures_block_and_name_the_way_out(self, engine: Engine) -> None:
        one = engine.start(
            workflow(phase(task("a", retry={"max": 1, "base": 0}), task("b", needs=["a"])))
        )
        engine.run(outcomes={"0/a": [TIMEOUT, TIMEOUT]})
        row = engine.execution(one)
        assert (row.status, row.reason) == ("paused", "blocked")
        assert "conductor retry 0/a" in row.reason_detail
        assert engine.states(one) == {"0/a": "failed", "0/b": "waiting"}
        assert severities(engine)[-1] == "high"

    def test_what_can_not_be_retried_is_not(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a"))))
        engine.run(outcomes={"0/a": [Failed("TOOL_LIMIT", "too much")]})
        assert engine.states(one) == {"0/a": "failed"}

    def test_a_failed_task_gets_a_new_generation(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a"), task("b", needs=["a"]))))
        engine.run(outcomes={"0/a": [Failed("TOOL_LIMIT", "too much")]})
        engine.do(task_control.retry, one, "0/a")
        engine.run()
        assert engine.status(one) == "completed"
        assert engine.task(one, "0/a").generation == 2

    def test_a_draining_worker_costs_nothing(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a", retry={"max": 0}))))
        engine.run(outcomes={"0/a": [Released()] * 5})
        assert engine.status(one) == "completed"
        row = engine.task(one, "0/a")
        assert row.failures == 0
        assert attempt_states(engine) == ["released"] * 5 + ["succeeded"]

    def test_what_is_given_back_while_paused_is_sent_after_resume(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a"))))
        worker = engine.worker()
        taken = worker.claim(engine.task(one, "0/a").id)
        assert taken is not None
        engine.published()
        engine.do(control.pause, one)
        worker.report(taken, Released())
        assert engine.published() == []
        engine.resume(one)
        engine.run()
        assert engine.status(one) == "completed"


class TestInfrastructure:
    def test_it_counts_against_nobody(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a", retry={"max": 0}))))
        engine.run(outcomes={"0/a": [Interrupted("no disk")]})
        assert engine.states(one) == {"0/a": "queued"}
        (row,) = engine.rows(select(attempts))
        assert (row.status, row.error_message) == ("released", "no disk")
        assert engine.do(why, one, "0/a").sentence.endswith(
            " in 2 s: no disk. `conductor retry 0/a` does it now."
        )
        engine.later(60)
        engine.due()
        engine.run()
        assert engine.status(one) == "completed"

    @pytest.mark.parametrize("kind", ["0/a", "integrate", "checkpoint"])
    def test_what_stays_broken_is_tried_ever_more_rarely_and_told_once(
        self, engine: Engine, kind: str
    ) -> None:
        one = engine.start(workflow(phase(task("a", files=True, retry={"max": 0}))))
        # Where it is told of, an attempt's own directory is another each time.
        broken = [Interrupted(f"/srv/{new_id()} can't be read") for _ in range(12)]
        pauses = []
        for each in broken:
            engine.run(outcomes={kind: [each]})
            (job,) = [row for row in engine.jobs(one) if row.status == "queued"]
            pauses.append((job.not_before - engine.now) // 1000)
            engine.later(pauses[-1] + 1)
            engine.due()
        assert pauses[:8] == [2, 4, 8, 16, 32, 64, 128, 256]
        assert pauses[8:] == [300] * 4
        assert severities(engine) == ["low"]
        engine.run()
        assert engine.status(one) == "completed"
        assert engine.task(one, "0/a").failures == 0

    @pytest.mark.parametrize("kind", ["0/a", "integrate", "checkpoint"])
    def test_a_person_who_has_mended_it_need_not_wait(self, engine: Engine, kind: str) -> None:
        one = engine.start(workflow(phase(task("a", files=True, retry={"max": 0}))))
        engine.run(outcomes={kind: [Interrupted("no disk")]})
        (job,) = [row for row in engine.jobs(one) if row.status == "queued"]
        assert job.not_before > engine.now
        engine.do(task_control.retry, one, "0/a")
        engine.run()
        assert engine.status(one) == "completed"
        assert engine.task(one, "0/a").generation == 1

    def test_what_breaks_in_another_way_or_much_later_is_told_too(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a"))))
        for message, wait in (("no disk", 10), ("no git", 3600), ("no disk", 60)):
            engine.run(outcomes={"0/a": [Interrupted(message)]})
            engine.later(wait)
            engine.due()
        told = [row.message for row in engine.rows(select(errors).order_by(errors.c.id))]
        assert told == ["no disk", "no git", "no disk"]
        engine.run()
        assert engine.status(one) == "completed"

    def test_what_does_not_mend_itself_pauses_and_resume_goes_on(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a", files=True))))
        engine.run(outcomes={"checkpoint": [Interrupted("disk full", critical=True)]})
        row = engine.execution(one)
        assert (row.status, row.reason) == ("paused", "blocked")
        assert "disk full" in row.reason_detail
        engine.resume(one)
        engine.later(60)
        engine.due()
        engine.run()
        assert engine.status(one) == "completed"


class TestIntegration:
    @pytest.mark.parametrize("outcome", [Conflicted("a.py"), Unreadable("gone")])
    def test_it_sends_the_task_back_at_no_count(self, engine: Engine, outcome: Outcome) -> None:
        one = engine.start(workflow(phase(task("a", files=True, retry={"max": 1}))))
        worker = engine.run(outcomes={"integrate": [outcome]})
        assert worker.done.count("0/a") == 2
        row = engine.task(one, "0/a")
        assert (row.status, row.failures) == ("completed", 0)
        numbers = [row.number for row in engine.rows(select(attempts).order_by(attempts.c.id))]
        assert numbers == [1, 2]

    def test_only_so_often(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a", files=True, retry={"max": 1}))))
        engine.run(outcomes={"integrate": [Conflicted("a.py")] * 2})
        assert engine.task(one, "0/a").status == "failed"
        assert engine.execution(one).reason == "blocked"

    def test_git_that_fails_is_tried_again(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a", files=True))))
        engine.run(outcomes={"integrate": [Interrupted("no git")]})
        assert engine.states(one) == {"0/a": "integrating"}
        engine.later(60)
        engine.due()
        engine.run()
        assert engine.status(one) == "completed"

    def test_what_was_won_comes_home_during_a_pause(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a", files=True), task("b", needs=["a"]))))
        engine.run(outcomes={"integrate": [DIES]})
        engine.do(control.pause, one)
        engine.expire_leases()
        engine.run()
        assert engine.states(one) == {"0/a": "completed", "0/b": "waiting"}
        engine.resume(one)
        engine.run()
        assert engine.status(one) == "completed"

    def test_the_same_result_is_reported_once(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a", files=True))))
        engine.run(outcomes={"integrate": [DIES]})
        job = engine.jobs(one, "integrate")[0]
        sent = Report(job.id, 1, Integrated("c", "c"))
        for accepted in (True, False):
            with engine.database.transaction() as tx:
                assert report(tx, [sent], 1000)[job.id].accepted is accepted
