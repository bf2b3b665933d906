"""A review is paid for in the name of its check run, and told on the bill."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from conductor_app.domain.budget import Amount, Daily
from conductor_app.domain.outcome import Judged, Succeeded
from conductor_app.engine import budgets
from conductor_app.engine.budgets import AttemptEnded, Reserved
from conductor_app.engine.claim import claim
from conductor_app.ids import new_id
from conductor_app.store.budgets import Spender, Used
from conductor_app.views.report import report
from tests.fakes.engine import Engine, engine_on, milestone, phase, task, workflow

REVIEW = {"kind": "rubric", "name": "It is right", "criteria": ["Right."], "task": "a"}
FLOW = workflow(
    phase(task("a", milestone="m", files=True), milestones=[milestone("m", REVIEW)]),
)
WORST = Amount(1_000, 5_000)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as engine:
        yield engine


@pytest.fixture
def reviewing(engine: Engine) -> Spender:
    """The task is done, and a worker has the check run with the review."""
    id_ = engine.start(FLOW)
    engine.run(
        lambda: bool(engine.jobs(id_, "check")),
        outcomes={"0/a": [Succeeded("did it", "a" * 40, "t")]},
    )
    [job] = engine.jobs(id_, "check")
    engine.do(claim, [job.id], "w", engine.timing.lease)
    row = engine.task(id_, "0/a")
    project = engine.execution(id_).project_id
    return Spender(project, id_, row.id, job.id, "validator", "claude2", "anthropic", "m")


def test_a_review_reserves_and_settles(engine: Engine, reviewing: Spender) -> None:
    reserved = engine.do(budgets.reserve, new_id(), reviewing, WORST, Daily())
    assert isinstance(reserved, Reserved)
    assert engine.do(budgets.settle_left_behind) == 0
    engine.do(budgets.settle, reserved.id, Used(900, 3_000, input_tokens=800, output_tokens=100))
    told = engine.do(report, reviewing.execution_id)
    [line] = told["bill"]
    assert (line["agent"], line["connector"], line["calls"]) == ("validator", "claude2", 1)
    assert line["cost_usd"] == told["totals"]["usage"]["cost_usd"] == "0.000003"
    assert told["totals"]["usage"]["input_tokens"] == 800


def test_what_a_lost_review_has_reserved_is_booked(engine: Engine, reviewing: Spender) -> None:
    engine.do(budgets.reserve, new_id(), reviewing, WORST, Daily())
    engine.expire_leases()
    assert engine.job(reviewing.attempt_id).status == "queued"
    # The tick has done it already.
    assert engine.do(budgets.settle_left_behind) == 0
    assert engine.do(report, reviewing.execution_id)["bill"][0]["cost_usd"] == "0.000005"


def test_nobody_spends_in_the_name_of_what_is_over(engine: Engine, reviewing: Spender) -> None:
    engine.expire_leases()
    engine.run(outcomes={"0/m": [Judged((), "a" * 40)]})
    assert engine.status(reviewing.execution_id) == "completed"
    for name in (reviewing.attempt_id, "nobody"):
        with pytest.raises(AttemptEnded):
            engine.do(
                budgets.reserve, new_id(), replace(reviewing, attempt_id=name), WORST, Daily()
            )
