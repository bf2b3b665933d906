"""One writer per process: claims, reports and renewals that wait are committed together.

A commit costs a disk's flush and a lock that all processes share, so what several threads want
written at the same time goes into one transaction: renewals first, then claims, then reports,
whose last step locks rows of other executions: nothing may wait for a lock after it.
"""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from conductor_app import telemetry
from conductor_app.bootstrap import Conductor
from conductor_app.domain.outcome import Report
from conductor_app.engine import heartbeat
from conductor_app.engine.claim import Claim, claim
from conductor_app.engine.report import Answer, ended_by, report
from conductor_app.queue import Hint
from conductor_app.store import executions, jobs
from conductor_app.store.database import Transaction
from workers.patience import Patience

BATCH = 64

# What is wished for, in the order in which it is written.
RENEWAL, CLAIM, REPORT = range(3)


@dataclass(frozen=True)
class _Wish:
    """Something to write: a job's id to claim, a report, or the ids of the jobs to renew."""

    order: int
    what: Any
    future: "Future[Any]"
    # The trace that it belongs to.
    headers: Mapping[str, str]


@dataclass
class _Try:
    """What a transaction has written, until it is known that its commit was done."""

    claims: dict[str, Claim] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    hints: list[Hint] = field(default_factory=list)


class Writer:
    """`claim`, `report` and `renew` block until what they wrote is committed."""

    def __init__(self, conductor: Conductor, worker_id: str, patience: Patience) -> None:
        self._conductor = conductor
        self._worker_id = worker_id
        self._wishes: list[_Wish] = []
        self._wake = threading.Condition()
        self._closing = False
        self._patience = patience
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def claim(self, job_id: str) -> Claim | None:
        """Take the job; None when it is not there to be taken."""
        taken: Claim | None = self._wish(CLAIM, job_id)
        return taken

    def report(self, report: Report) -> Answer:
        answer: Answer = self._wish(REPORT, report)
        return answer

    def renew(self, job_ids: Sequence[str], queues: Sequence[str]) -> heartbeat.Pulse:
        """Prolong the leases of these jobs and tell that this worker lives."""
        pulse: heartbeat.Pulse = self._wish(RENEWAL, (tuple(job_ids), tuple(queues)))
        return pulse

    def close(self) -> None:
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def _wish(self, order: int, what: Any) -> Any:
        wish = _Wish(order, what, Future(), telemetry.carrier())
        with self._wake:
            self._wishes.append(wish)
            self._wake.notify()
        return wish.future.result()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._wishes and not self._closing:
                    self._wake.wait()
                if not self._wishes:
                    return
                batch = self._next_batch()
            self._commit(batch)

    def _next_batch(self) -> list[_Wish]:
        """What is written next; of two reports on one job (a lost holder's late one) only one."""
        batch: list[_Wish] = []
        later: list[_Wish] = []
        reported: set[str] = set()
        for wish in sorted(self._wishes, key=lambda wish: wish.order):
            again = wish.order == REPORT and wish.what.job_id in reported
            if again or len(batch) == BATCH:
                later.append(wish)
                continue
            batch.append(wish)
            if wish.order == REPORT:
                reported.add(wish.what.job_id)
        self._wishes = later
        return batch

    def _commit(self, batch: Sequence[_Wish]) -> None:
        """All in one transaction; when that fails each on its own, so that one spoils nothing."""
        last = _Try()
        try:
            # What several wished for together belongs to no trace of one of them.
            with telemetry.continued(_only_one([wish.headers for wish in batch if wish.headers])):
                results = self._patience.with_database(lambda: self._write(batch, last))
        except Exception as error:
            if len(batch) == 1:
                batch[0].future.set_exception(error)
            else:
                for wish in batch:
                    self._commit([wish])
            return
        for wish, result in zip(batch, results, strict=True):
            wish.future.set_result(result)

    def _write(self, batch: Sequence[_Wish], last: _Try) -> list[Any]:
        with self._conductor.transaction() as tx:
            if tx.postgresql:
                # All at once and in order, so that no two batches wait for each other.
                executions.lock_of_jobs(tx, self._jobs(batch))
            renewals = [self._renew(tx, wish.what) for wish in batch if wish.order == RENEWAL]
            claims = [wish.what for wish in batch if wish.order == CLAIM]
            reports = [wish.what for wish in batch if wish.order == REPORT]
            self._recognise(tx, last, reports)
            if new := [id_ for id_ in claims if id_ not in last.claims]:
                last.claims |= claim(tx, new, self._worker_id, self._conductor.lease_ms)
            if news := [each for each in reports if each.job_id not in last.answers]:
                last.answers |= report(tx, news, self._conductor.lease_ms)
            last.hints = list(tx.hints)
        return [
            *renewals,
            *(last.claims.pop(job_id, None) for job_id in claims),
            *(last.answers[each.job_id] for each in reports),
        ]

    def _recognise(self, tx: Transaction, last: _Try, reports: Sequence[Report]) -> None:
        """Keep of the last try what the rows have: its commit was done, and just not answered.

        Then what it would have sent after its commit is sent after this one.
        """
        if last.claims:
            held = jobs.held(tx, self._worker_id, last.claims)
            mine = {id_: each for id_, each in last.claims.items() if held.get(id_) == each.fence}
            last.claims = mine
        if last.answers:
            done = ended_by(tx, reports)
            last.answers = {id_: each for id_, each in last.answers.items() if id_ in done}
        if last.claims or last.answers:
            tx.hints += last.hints

    def _renew(self, tx: Transaction, what: Any) -> heartbeat.Pulse:
        job_ids, queues = what
        return heartbeat.pulse(tx, self._worker_id, job_ids, queues, self._conductor.lease_ms)

    @staticmethod
    def _jobs(batch: Sequence[_Wish]) -> list[str]:
        named = [wish.what for wish in batch if wish.order == CLAIM]
        return named + [wish.what.job_id for wish in batch if wish.order == REPORT]


def _only_one(told: Sequence[Mapping[str, str]]) -> Mapping[str, str] | None:
    """What all of them say, if they say the same."""
    return told[0] if told and all(each == told[0] for each in told) else None
