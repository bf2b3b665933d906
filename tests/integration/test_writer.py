"""A worker's writer, when a commit is not answered: done or not, a job is claimed just once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from conductor_app.store.database import Transaction
from conductor_app.store.tables import attempts
from tests.fakes.engine import Engine, engine_on, phase, task, workflow
from workers.writer import Writer


@dataclass
class Conductor:
    """What a writer needs, with a connection that is cut once: `before` or `after` the commit."""

    engine: Engine
    cut: str | None = None
    lease_ms: int = 30_000

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        cut, self.cut = self.cut, None
        with self.engine.database.transaction() as tx:
            yield tx
            if cut == "before":
                raise gone()
        if cut == "after":
            raise gone()


def gone() -> OperationalError:
    reason = Exception("server closed the connection unexpectedly")
    return OperationalError("COMMIT", None, reason, connection_invalidated=True)


@pytest.fixture
def conductor(database_url: str) -> Iterator[Conductor]:
    with engine_on(database_url) as engine:
        yield Conductor(engine)


@pytest.fixture
def writer(conductor: Any) -> Iterator[Writer]:
    opened = Writer(conductor, "w1")
    yield opened
    opened.close()


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_claim_is_one_claim_whatever_became_of_its_commit(
    conductor: Conductor, writer: Writer, cut: str
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
    conductor: Conductor, writer: Writer, cut: str
) -> None:
    engine = conductor.engine
    id_ = engine.task(engine.start(workflow(phase(task("a")))), "0/a").id
    assert writer.claim(id_) is not None
    conductor.cut = cut
    assert writer.claim(id_) is None
