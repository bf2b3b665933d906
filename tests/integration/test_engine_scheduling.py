"""What runs when: release, chains, windows, priorities, fair share, limits, on both databases."""

from collections.abc import Iterator

import pytest

from conductor_app.domain.outcome import Report, Succeeded
from conductor_app.domain.priority import of_task
from conductor_app.engine import control
from conductor_app.engine.claim import claim
from conductor_app.engine.report import Answer, report
from conductor_app.queue import Hint
from conductor_app.store import jobs
from tests.fakes import invariants
from tests.fakes.engine import Engine, engine_on, phase, task, workflow

LEASE = 30_000


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as opened:
        yield opened
        invariants.hold(opened)


def links(engine: Engine, execution: str, hints: list[Hint]) -> list[list[str]]:
    """The chains by their tasks' keys."""
    key_of = {engine.task(execution, key).id: key for key in engine.states(execution)}
    return [[key_of[link] for link in hint.links] for hint in hints]


def end(engine: Engine, job_id: str, next_link: str | None = None) -> bool:
    """Claim a job and end it well, as the delivery of a link does; whether its chain goes on."""
    with engine.database.transaction() as tx:
        taken = claim(tx, [job_id], "w", LEASE)[job_id]
    sent = Report(job_id, taken.fence, Succeeded(), taken.attempt_id, next_link)
    with engine.database.transaction() as tx:
        return report(tx, [sent], LEASE)[job_id].chain


def test_start_queues_what_needs_nothing(engine: Engine) -> None:
    one = engine.start(workflow(phase(task("a"), task("b", needs=["a"]), task("c", "api"))))
    assert engine.states(one) == {"0/a": "queued", "0/b": "waiting", "0/c": "queued"}
    assert {hint.queue for hint in engine.queue.hints} == {"agent.models", "agent.api"}


def test_completing_a_task_queues_its_dependents_at_once(engine: Engine) -> None:
    one = engine.start(
        workflow(phase(task("a"), task("b", "api", needs=["a"]), task("c", "test", needs=["a"])))
    )
    end(engine, engine.task(one, "0/a").id)
    assert engine.states(one) == {"0/a": "completed", "0/b": "queued", "0/c": "queued"}


def test_a_task_waits_for_all_it_needs(engine: Engine) -> None:
    one = engine.start(workflow(phase(task("a"), task("b"), task("c", needs=["a", "b"]))))
    end(engine, engine.task(one, "0/a").id)
    assert engine.states(one)["0/c"] == "waiting"
    end(engine, engine.task(one, "0/b").id)
    assert engine.states(one)["0/c"] == "queued"


def test_the_next_phase_begins_when_the_one_before_it_ends(engine: Engine) -> None:
    one = engine.start(workflow(phase(task("a")), phase(task("b", needs=["0/a"]))))
    assert engine.states(one)["1/b"] == "waiting"
    engine.run()
    assert engine.status(one) == "completed"
    assert engine.phase(one, 0).status == engine.phase(one, 1).status == "completed"


def test_an_execution_ends_with_its_target_phase(engine: Engine) -> None:
    one = engine.start(workflow(phase(task("a")), phase(task("b"))), target_phase=0)
    engine.run()
    assert engine.status(one) == "completed"
    assert engine.phase(one, 1).status == "pending"


class TestChains:
    def test_successors_of_the_same_agent_follow_in_one_message(self, engine: Engine) -> None:
        one = engine.start(
            workflow(phase(task("a"), task("b", needs=["a"]), task("c", needs=["b"])))
        )
        assert links(engine, one, engine.published()) == [["0/a", "0/b", "0/c"]]

    def test_another_agent_or_another_need_ends_the_chain(self, engine: Engine) -> None:
        one = engine.start(
            workflow(
                phase(
                    task("a"),
                    task("other", "api"),
                    task("b", needs=["a", "other"]),
                    task("c", "api", needs=["a"]),
                )
            )
        )
        published = links(engine, one, engine.published())
        assert sorted(published) == [["0/a"], ["0/other"]]

    def test_a_link_released_inside_its_delivery_is_not_sent_again(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a"), task("b", needs=["a"]))))
        engine.published()
        a, b = engine.task(one, "0/a").id, engine.task(one, "0/b").id
        assert end(engine, a, next_link=b)
        assert engine.published() == []
        assert end(engine, b) is False
        assert engine.status(one) == "completed"

    def test_a_link_released_otherwise_is_sent(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(task("a"), task("b", needs=["a"]))))
        engine.published()
        assert not end(engine, engine.task(one, "0/a").id)
        assert links(engine, one, engine.published()) == [["0/b"]]

    def test_a_chain_stops_before_a_link_that_a_limit_keeps_back(self, engine: Engine) -> None:
        one = engine.start(
            workflow(phase(task("a"), task("x", "api"), task("b", needs=["a"])), concurrency=1)
        )
        a, b = engine.task(one, "0/a").id, engine.task(one, "0/b").id
        # The other ready task has the higher claim on the only place when `a` ends.
        assert engine.states(one)["0/x"] == "waiting"
        goes_on = end(engine, a, next_link=b)
        queued = [key for key, state in engine.states(one).items() if state == "queued"]
        assert goes_on == (queued == ["0/b"])
        assert len(queued) == 1

    def test_the_winner_of_an_integration_takes_its_chain_along(self, engine: Engine) -> None:
        one = engine.start(
            workflow(phase(task("a", files=True), task("b", files=True, needs=["a"])))
        )
        worker = engine.run()
        assert worker.done == ["checkpoint", "0/a", "0/b", "checkpoint"]
        assert engine.status(one) == "completed"


class TestWindow:
    def test_it_is_about_twice_the_slots(self, engine: Engine) -> None:
        engine.register("w", ["agent.models"], slots=3)
        engine.start(workflow(phase(*(task(f"t{n}") for n in range(20)))))
        assert len(engine.published()) == 6

    def test_without_workers_a_few_hints_wait(self, engine: Engine) -> None:
        engine.start(workflow(phase(*(task(f"t{n}") for n in range(20)))))
        assert len(engine.published()) == 4

    def test_reports_fill_it_again(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(*(task(f"t{n}") for n in range(20)))))
        engine.run()
        assert engine.status(one) == "completed"

    def test_a_paused_execution_takes_no_room_in_it(self, engine: Engine) -> None:
        first = engine.start(workflow(phase(*(task(f"t{n}") for n in range(8)))), project="one")
        engine.do(control.pause, first)
        second = engine.start(workflow(phase(*(task(f"t{n}") for n in range(8)))), project="two")
        engine.run()
        engine.due()
        engine.run()
        assert engine.status(second) == "completed"
        assert set(engine.states(first).values()) == {"queued"}
        engine.resume(first)
        engine.run()
        assert engine.status(first) == "completed"


class TestOrder:
    def test_priorities_are_exact(self, engine: Engine) -> None:
        """Whatever was published before: what goes out next is the most urgent there is."""
        agents = {
            name: {"priority": number, "title": name} for name, number in (("low", 1), ("high", 9))
        }
        one = engine.start(
            workflow(
                phase(task("a"), task("first", needs=["a"]), task("b"), task("c")),
                phase(task("later")),
                agents=agents,
            )
        )
        assert engine.task(one, "0/a").priority == of_task(0, 10)
        assert engine.task(one, "1/later").priority == of_task(1, 10)
        worker = engine.run()
        assert worker.done[-1] == "1/later"

    def test_ready_tasks_go_by_priority_then_by_the_template(self, engine: Engine) -> None:
        agents = {"low": {"priority": 1}, "high": {"priority": 90}}
        one = engine.start(
            workflow(
                phase(
                    task("x"),
                    *(task(f"low-{n}", "low") for n in range(3)),
                    *(task(f"high-{n}", "high") for n in range(3)),
                ),
                agents=agents,
                concurrency=1,
            )
        )
        done = engine.run().done
        assert done == [
            *(f"0/high-{n}" for n in range(3)),
            "0/x",
            *(f"0/low-{n}" for n in range(3)),
        ]
        assert engine.status(one) == "completed"

    def test_hints_of_one_queue_leave_in_the_databases_order(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(*(task(f"t{n:02}") for n in range(30)))))
        assert engine.run().done == [f"0/t{n:02}" for n in range(30)]
        assert engine.status(one) == "completed"


class TestFairShare:
    def many(self, engine: Engine, project: str, **wanted: object) -> str:
        return engine.start(
            workflow(phase(*(task(f"t{n}") for n in range(12)))), project=project, **wanted
        )

    def done_by(self, engine: Engine, count: int) -> dict[str, int]:
        """How many tasks of each execution are among the first so many messages."""
        served: dict[str, int] = {}
        for _ in range(count):
            hint = engine.queue.hints.pop(0)
            job = engine.job(hint.links[0])
            served[job.execution_id] = served.get(job.execution_id, 0) + 1
            end(engine, job.id)
        return served

    def test_equal_weights_share_equally(self, engine: Engine) -> None:
        first = self.many(engine, "one")
        second = self.many(engine, "two")
        served = self.done_by(engine, 16)
        # The window that the first one filled while it was alone goes ahead of it.
        assert abs(served[first] - served[second]) <= 4
        assert served[second] >= 6

    def test_a_heavier_one_gets_more_and_the_lighter_one_still_its_part(
        self, engine: Engine
    ) -> None:
        light = self.many(engine, "one", priority="low")
        heavy = self.many(engine, "two", priority="high")
        served = self.done_by(engine, 16)
        assert served[heavy] > served[light] >= 4

    def test_many_paused_executions_starve_nobody(self, engine: Engine) -> None:
        for number in range(20):
            paused = self.many(engine, f"paused-{number}")
            engine.do(control.pause, paused)
        engine.published()
        last = self.many(engine, "last")
        engine.register("w", ["agent.models"], slots=50)
        engine.due()
        engine.run()
        engine.due()
        engine.run()
        assert engine.status(last) == "completed"


class TestConcurrency:
    def flying(self, engine: Engine, execution: str) -> int:
        return sum(state in ("queued", "active") for state in engine.states(execution).values())

    def test_an_executions_limit_holds_back_what_is_ready(self, engine: Engine) -> None:
        one = engine.start(workflow(phase(*(task(f"t{n}") for n in range(5))), concurrency=2))
        while (left := engine.published()) or self.flying(engine, one):
            assert self.flying(engine, one) <= 2
            for hint in left:
                end(engine, hint.links[0])
        assert engine.status(one) == "completed"

    def test_an_agents_limit_leaves_the_others_free(self, engine: Engine) -> None:
        models = [task(f"m{number}") for number in range(3)]
        api = [task(f"a{number}", "api") for number in range(3)]
        one = engine.start(workflow(phase(*models, *api), agents={"models": {"concurrency": 1}}))
        queued = sorted(key for key, state in engine.states(one).items() if state == "queued")
        assert queued == ["0/a0", "0/a1", "0/a2", "0/m0"]
        engine.run()
        assert engine.status(one) == "completed"


def go_on(engine: Engine, job_id: str, next_link: str) -> Answer:
    """The same by a worker that would take the next link at once."""
    with engine.database.transaction() as tx:
        taken = claim(tx, [job_id], "w", LEASE)[job_id]
    sent = Report(job_id, taken.fence, Succeeded(), taken.attempt_id, next_link, go_on=True)
    with engine.database.transaction() as tx:
        return report(tx, [sent], LEASE)[job_id]


def test_the_next_link_is_claimed_by_the_report_that_queues_it(engine: Engine) -> None:
    one = engine.start(workflow(phase(task("a"), task("b", needs=["a"]))))
    first, second = engine.task(one, "0/a").id, engine.task(one, "0/b").id
    answer = go_on(engine, first, second)
    assert answer.chain
    assert answer.next is not None
    assert (answer.next.job_id, answer.next.task_key) == (second, "0/b")
    assert engine.states(one) == {"0/a": "completed", "0/b": "active"}
    assert engine.job(second).worker_id == "w"
    assert not engine.queue.waiting("agent.models")[1:]
    with engine.database.transaction() as tx:
        last = Report(second, answer.next.fence, Succeeded(), answer.next.attempt_id)
        assert report(tx, [last], LEASE)[second].accepted
    assert engine.status(one) == "completed"


@pytest.mark.parametrize("hinted", [True, False])
def test_a_link_goes_through_the_broker_when_another_job_waits(
    engine: Engine, hinted: bool
) -> None:
    """Whichever stands first in the queue is served first."""
    one = engine.start(workflow(phase(task("a"), task("b", needs=["a"]))))
    other = engine.start(workflow(phase(task("c"))))
    if not hinted:
        with engine.database.transaction() as tx:
            jobs.change(tx, [engine.task(other, "0/c").id], hinted_at=None)
    answer = go_on(engine, engine.task(one, "0/a").id, engine.task(one, "0/b").id)
    assert answer.chain
    assert answer.next is None
    assert engine.states(one)["0/b"] == "queued"


def test_a_link_of_a_paused_execution_is_not_gone_on_with(engine: Engine) -> None:
    one = engine.start(workflow(phase(task("a"), task("b", needs=["a"]))))
    first, second = engine.task(one, "0/a").id, engine.task(one, "0/b").id
    with engine.database.transaction() as tx:
        taken = claim(tx, [first], "w", LEASE)[first]
    with engine.database.transaction() as tx:
        control.pause(tx, one)
    sent = Report(first, taken.fence, Succeeded(), taken.attempt_id, second, go_on=True)
    with engine.database.transaction() as tx:
        answer = report(tx, [sent], LEASE)[first]
    assert answer.accepted
    assert answer.next is None
    assert engine.states(one)["0/b"] in ("waiting", "queued")
