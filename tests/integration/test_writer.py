"""A worker's writer, when a commit is not answered: done or not, all is written just once."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from conductor_app.domain.outcome import Failed, Outcome, Report, Succeeded
from conductor_app.engine.claim import Claim
from conductor_app.store.tables import attempts
from tests.fakes.engine import Engine, engine_on, phase, task, workflow
from tests.fakes.unanswered import Unanswered
from workers.patience import Patience
from workers.writer import Writer


@pytest.fixture
def conductor(database_url: str) -> Iterator[Unanswered]:
    with engine_on(database_url) as engine:
        yield Unanswered(engine)


@pytest.fixture
def writer(conductor: Any) -> Iterator[Writer]:
    opened = Writer(conductor, "w1", Patience(conductor))
    yield opened
    opened.close()


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_claim_is_one_claim_whatever_became_of_its_commit(
    conductor: Unanswered, writer: Writer, cut: str
) -> None:
    engine = conductor.engine
    one = engine.start(workflow(phase(task("a"))))
    id_ = engine.task(one, "0/a").id
    conductor.cut = cut
    claimed = writer.claim(id_)
    assert claimed is not None
    job = engine.job(id_)
    assert (job.status, job.worker_id, job.claims, job.fence) == ("active", "w1", 1, claimed.fence)
    (attempt,) = engine.rows(select(attempts))
    assert (attempt.id, attempt.status) == (claimed.attempt_id, "active")


@pytest.mark.parametrize("cut", ["before", "after"])
def test_what_the_same_worker_holds_already_is_not_given_twice(
    conductor: Unanswered, writer: Writer, cut: str
) -> None:
    engine = conductor.engine
    id_ = engine.task(engine.start(workflow(phase(task("a")))), "0/a").id
    assert writer.claim(id_) is not None
    conductor.cut = cut
    assert writer.claim(id_) is None


def claimed_first(engine: Engine, writer: Writer, *tasks: dict[str, Any]) -> tuple[str, Claim]:
    """An execution of these tasks, and the claim of its task `a`."""
    one = engine.start(workflow(phase(*tasks)))
    claim = writer.claim(engine.task(one, "0/a").id)
    assert claim is not None
    return one, claim


def report_of(claim: Claim, outcome: Outcome, **fields: Any) -> Report:
    return Report(claim.job_id, claim.fence, outcome, claim.attempt_id, **fields)


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_report_is_one_report_and_its_chain_goes_on(
    conductor: Unanswered, writer: Writer, cut: str
) -> None:
    engine = conductor.engine
    one, claim = claimed_first(engine, writer, task("a"), task("b", needs=["a"]))
    link = engine.task(one, "0/b").id
    conductor.cut = cut
    answer = writer.report(report_of(claim, Succeeded("done"), next_link=link, go_on=True))
    assert answer.accepted and answer.chain and answer.next is not None
    assert engine.states(one) == {"0/a": "completed", "0/b": "active"}
    job = engine.job(link)
    assert (job.worker_id, job.claims, job.fence) == ("w1", 1, answer.next.fence)
    ids = {row.id for row in engine.rows(select(attempts))}
    assert ids == {claim.attempt_id, answer.next.attempt_id}


@pytest.mark.parametrize("cut", ["before", "after"])
def test_the_winner_knows_the_integration_that_it_has_begun(
    conductor: Unanswered, writer: Writer, cut: str
) -> None:
    engine = conductor.engine
    one, claim = claimed_first(engine, writer, task("a"))
    conductor.cut = cut
    answer = writer.report(report_of(claim, Succeeded("done", commit="c" * 40, tree="t" * 40)))
    (integration,) = engine.jobs(one, "integrate")
    assert (answer.accepted, answer.integration) == (True, integration.id)
    assert (integration.status, integration.worker_id) == ("active", "w1")


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_failure_is_counted_once(conductor: Unanswered, writer: Writer, cut: str) -> None:
    engine = conductor.engine
    one, claim = claimed_first(engine, writer, task("a", retry={"base": 0.1}))
    conductor.cut = cut
    writer.report(report_of(claim, Failed("AGENT_ERROR", "It went wrong.")))
    assert engine.task(one, "0/a").failures == 1
    assert engine.job(claim.job_id).failures == 1


@pytest.mark.parametrize("cut", ["before", "after"])
def test_what_was_to_be_sent_is_sent(conductor: Unanswered, writer: Writer, cut: str) -> None:
    engine = conductor.engine
    one, claim = claimed_first(engine, writer, task("a"), task("b", needs=["a"]))
    engine.published()
    conductor.cut = cut
    writer.report(report_of(claim, Succeeded("done")))
    assert [hint.links for hint in engine.published()] == [(engine.task(one, "0/b").id,)]


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_late_report_is_refused_all_the_same(
    conductor: Unanswered, writer: Writer, cut: str
) -> None:
    engine = conductor.engine
    one, claim = claimed_first(engine, writer, task("a"))
    engine.expire_leases()
    conductor.cut = cut
    assert not writer.report(report_of(claim, Succeeded("done"))).accepted
    assert engine.states(one) == {"0/a": "queued"}
