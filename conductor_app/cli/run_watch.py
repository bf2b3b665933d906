"""Follows an execution by its events, until it rests."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, and_, or_, select
from sqlalchemy.exc import OperationalError

from conductor_app.cli.run_picture import Picture, picture_of
from conductor_app.cli.run_stall import Stall
from conductor_app.cli.words import Sentence, sentence_of
from conductor_app.domain.states import EXECUTION_ENDED, ExecutionState
from conductor_app.store.database import Database, Transaction
from conductor_app.store.tables import OPEN_JOB, attempts, events, jobs

POLL_SECONDS = 0.2
# How long the database may be away (a server that is restarted) before the run gives up.
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Step:
    """What was new at one look, and how the execution stood."""

    picture: Picture
    news: list[Sentence]

    @property
    def execution(self) -> Row[Any]:
        return self.picture.figures.execution


class Watch:
    """One execution, looked at again and again; `seen` is the last event that is no news."""

    def __init__(self, database: Database, execution_id: str, seen: int, stall: Stall) -> None:
        self._database = database
        self._id = execution_id
        self._seen = seen
        self._stall = stall

    def steps(self) -> Iterator[Step]:
        """Each look, the last one at an execution that rests. Raises OperationalError."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                step = self._look()
            except OperationalError:
                if time.monotonic() > deadline:
                    raise
            else:
                yield step
                if rests(step.execution):
                    return
                deadline = time.monotonic() + PATIENCE_SECONDS
            time.sleep(POLL_SECONDS)

    def _look(self) -> Step:
        with self._database.read() as tx:
            seen, news = self._news(tx)
            moving = seen > self._seen or _goes_on(tx, self._id)
            if notice := self._stall.notice(tx, moving=moving):
                news.append(notice)
            step = Step(picture_of(tx, self._id), news)
        self._seen = seen
        return step

    def _news(self, tx: Transaction) -> tuple[int, list[Sentence]]:
        fresh = tx.all(
            select(events)
            .where(events.c.stream == f"execution:{self._id}", events.c.number > self._seen)
            .order_by(events.c.number)
        )
        told = (sentence_of(event, _attempt_before(tx, event)) for event in fresh)
        last = fresh[-1].number if fresh else self._seen
        return last, [sentence for sentence in told if sentence]


def rests(execution: Row[Any]) -> bool:
    """Whether it stays as it is until somebody does something."""
    return execution.status in EXECUTION_ENDED or execution.status == ExecutionState.PAUSED


def _goes_on(tx: Transaction, execution_id: str) -> bool:
    """Whether a worker has a job and renews its lease, or one waits for a time to come.

    That it waits was said when it began to. What the system tries again was never spoken of.
    """
    at_work = and_(jobs.c.status == "active", jobs.c.lease_until >= tx.now)
    mine = (jobs.c.execution_id == execution_id, OPEN_JOB, or_(at_work, jobs.c.not_before > tx.now))
    return any(
        job.status == "active"
        or job.kind == "attempt"
        or job.payload.get("waits_until") == job.not_before
        for job in tx.all(select(jobs).where(*mine))
    )


def last_event(tx: Transaction, execution_id: str) -> int:
    """The number of the newest event; watching after it shows only what comes."""
    statement = select(events.c.number).where(events.c.stream == f"execution:{execution_id}")
    return tx.value(statement.order_by(events.c.number.desc()).limit(1)) or 0


def _attempt_before(tx: Transaction, event: Row[Any]) -> Row[Any] | None:
    """The attempt whose end made a task go back to its queue or fail, for its reason."""
    move = event.payload.get("move") or {}
    if move.get("kind") != "task" or move.get("to") not in ("queued", "failed"):
        return None
    return tx.first(
        select(attempts)
        .where(attempts.c.task_id == move["id"], attempts.c.finished_at <= event.at)
        .order_by(attempts.c.number.desc())
        .limit(1)
    )
