"""A review that has to wait, or may not spend: no worker waits with it, and nobody is blamed."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Row, select

from conductor_app.cli.run_stall import Stall
from conductor_app.cli.run_watch import Watch
from conductor_app.domain.budget import Scope
from conductor_app.domain.budget_names import Name
from conductor_app.domain.outcome import Interrupted, Suspended
from conductor_app.engine.budget_control import raise_caps
from conductor_app.store import tables
from tests.fakes import invariants
from tests.fakes.engine import Engine, engine_on, milestone, phase, task, workflow
from tests.fakes.model_server import Reply, Space, rate_limited, says
from tests.integration.test_work_in_process import Stage

REVIEW = {"kind": "rubric", "name": "It is right", "criteria": ["Right."], "task": "a"}
FLOW = workflow(phase(task("a", milestone="m"), milestones=[milestone("m", REVIEW)]))
SPENT = Suspended("BUDGET_EXHAUSTED", "It is spent. Way out: raise.", bounded=False, pauses=True)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as opened:
        yield opened
        invariants.hold(opened)


def limited(seconds: float | None = None) -> Suspended:
    return Suspended("API_LIMIT", "Too many calls.", seconds)


def due_in(engine: Engine, id_: str) -> float:
    (job,) = engine.jobs(id_, "check")
    return float((job.not_before - engine.now) / 1000)


class TestInTheEngine:
    def test_it_waits_as_long_as_the_provider_asks(self, engine: Engine) -> None:
        one = engine.start(FLOW)
        engine.run(outcomes={"0/m": [limited(130)]})
        assert due_in(engine, one) == 130
        engine.later(129)
        engine.due()
        assert engine.published() == []
        engine.later(2)
        engine.due()
        engine.run()
        assert engine.status(one) == "completed"
        assert engine.rows(select(tables.errors)) == []

    def test_nobody_says_how_long_so_each_wait_is_longer(self, engine: Engine) -> None:
        one = engine.start(FLOW)
        waited = []
        for _ in range(10):
            engine.run(outcomes={"0/m": [limited()]})
            waited.append(due_in(engine, one))
            engine.later(waited[-1])
            engine.due()
        assert waited == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]

    def test_for_what_others_hold_it_does_not_wait_long(self, engine: Engine) -> None:
        one = engine.start(FLOW)
        held = Suspended("BUDGET_EXHAUSTED", "Others hold it.", 2.0, bounded=False)
        for _ in range(7):
            engine.run(outcomes={"0/m": [held]})
            wait = due_in(engine, one)
            engine.later(wait)
            engine.due()
        assert wait == 60
        assert engine.status(one) == "running"

    def test_a_budget_that_is_used_up_pauses_and_raised_it_goes_on(self, engine: Engine) -> None:
        one = engine.start(FLOW)
        engine.run(outcomes={"0/m": [SPENT]})
        row = engine.execution(one)
        assert (row.status, row.reason) == ("paused", "budget_exhausted")
        assert row.reason_detail == SPENT.reason
        engine.resume(one)
        engine.run()
        assert engine.status(one) == "completed"

    def test_a_run_tells_of_it_and_takes_it_for_no_stall(
        self, engine: Engine, tmp_path: Any
    ) -> None:
        one = engine.start(FLOW)
        steps = Watch(engine.database, one, 0, Stall(one, lambda: [], tmp_path)).steps()
        engine.run(outcomes={"0/m": [limited(130)]})
        told = [str(each) for each in next(steps).news]
        assert "⏳ Milestone m: its review waits: Too many calls." in told
        for _ in range(3):
            engine.later(40)
            assert next(steps).news == []
        engine.later(11)
        engine.due()
        engine.run(outcomes={"0/m": [Interrupted("no disk")] * 9})
        next(steps)
        engine.later(31)
        assert "Nothing has moved" in str(next(steps).news)


TEMPLATE = """
  worker: {title: Works, connector: claude}
  judge: {title: Judge, connector: claude2}
phases:
  - number: 0
    name: Only
    tasks:
      - {key: work, title: Work, agent: worker, needs: [], milestone: good}
    milestones:
      - key: good
        name: Good
        checks: [{name: It is right, kind: rubric, agent: judge, task: work, criteria: [Right.]}]
"""
WORK = (
    says("I write.", ("write_file", {"path": "one.txt", "content": "1"})),
    says("", ("finish", {"summary": "done"})),
)


@pytest.fixture
def stage(
    home: Any, model_server: Space, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Stage]]:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test-0123456789")
    monkeypatch.setenv("CONDUCTOR_CLAUDE_BASE_URL", model_server.add("work", *WORK))
    monkeypatch.setenv("CONDUCTOR_CLAUDE2_BASE_URL", model_server.url("verdict-pass"))
    made = []

    def make() -> Stage:
        made.append(Stage(home))
        return made[-1]

    yield make
    for each in made:
        each.process.close()


def only(at: Stage, table: Any, *conditions: Any) -> Row[Any]:
    with at.conductor.read() as tx:
        (row,) = tx.all(select(table).where(*conditions))
    return row


def review_of(at: Stage) -> Row[Any]:
    return only(at, tables.jobs, tables.jobs.c.kind == "check", tables.jobs.c.finished_at.is_(None))


class TestInAWorker:
    def test_the_wait_is_a_row_and_the_log_has_no_traceback(
        self,
        stage: Callable[[], Stage],
        model_server: Space,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        model_server.fail("verdict-pass", rate_limited(130), 1)
        at = stage()
        at.run(TEMPLATE)
        job, now = review_of(at), at.conductor.database
        with now.read() as tx:
            assert 120_000 < job.not_before - tx.now <= 130_000
        assert job.status == "queued"
        told = [each for each in caplog.records if "has no review yet" in each.getMessage()]
        assert len(told) == 1 and not told[0].exc_info
        asked = [each for each in model_server.requests if each.scenario == "verdict-pass"]
        assert len(asked) == 1

    def test_money_that_is_used_up_pauses_as_it_does_for_attempts(
        self, stage: Callable[[], Stage], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CONDUCTOR_CLAUDE2_MODEL", "claude-fable-5-1")
        at = stage()
        one = at.run(TEMPLATE.replace("phases:", "budget: {usd: 0.06}\nphases:"))
        paused = only(at, tables.executions)
        assert (paused.status, paused.reason) == ("paused", "budget_exhausted")
        assert paused.reason_detail.count("Way out") == 1
        with at.conductor.transaction() as tx:
            more = {"nano_usd": 10**10}
            name = Name(Scope.EXECUTION, one)
            changed = raise_caps(tx, name, at.conductor.daily, more, "It is worth it")
        assert changed.going_on == (one,)
        at.work()
        assert only(at, tables.executions).status == "completed"

    def test_a_model_that_pauses_gives_its_verdict_when_it_goes_on(
        self, stage: Callable[[], Stage], model_server: Space, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        verdict = {"criterion_1_met": True, "criterion_1_reason": "So.", "notes": ""}
        turns = Reply("I read on.", stop="paused"), says("", ("verdict", verdict))
        monkeypatch.setenv("CONDUCTOR_CLAUDE2_BASE_URL", model_server.add("pauses", *turns))
        at = stage()
        at.run(TEMPLATE)
        assert only(at, tables.executions).status == "completed"


REVIEW_LAST = """
  worker: {title: Works, connector: claude}
  judge: {title: Judge, connector: claude2}
phases:
  - number: 0
    name: Work
    tasks: [{key: work, title: Work, agent: worker, needs: []}]
  - number: 1
    name: Review
    exit_criteria: [{name: It is right, kind: rubric, agent: judge, criteria: [Right.]}]
"""


@pytest.mark.parametrize(
    ("verdict", "status", "reason"),
    [("verdict-pass", "completed", None), ("verdict-fail", "paused", "blocked")],
)
def test_a_phase_without_tasks_reviews_what_those_before_it_did(
    stage: Callable[[], Stage],
    model_server: Space,
    monkeypatch: pytest.MonkeyPatch,
    verdict: str,
    status: str,
    reason: str | None,
) -> None:
    monkeypatch.setenv("CONDUCTOR_CLAUDE2_BASE_URL", model_server.url(verdict))
    at = stage()
    at.run(REVIEW_LAST)
    row = only(at, tables.executions)
    assert (row.status, row.reason) == (status, reason), row.reason_detail
