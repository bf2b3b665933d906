"""A worker without processes, repositories or models: it claims, says what it is told to, reports.

Its contract is that of a real one, as tests/integration/test_fake_worker.py has it: it takes only
what the queue delivered, reports with the fence that it was given, carries an integration out
itself when it has won one, and hands a chain's next link on only after an answer that says so.
"""

import hashlib
import itertools
import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from conductor_app.domain.outcome import (
    Checkpointed,
    Integrated,
    Judged,
    Judgement,
    Outcome,
    Report,
    RolledBack,
    Succeeded,
)
from conductor_app.domain.workflow import Check
from conductor_app.engine.claim import Claim, claim
from conductor_app.engine.report import Answer, report
from conductor_app.queue import Hint, MemoryQueue
from conductor_app.store.database import Database

LEASE = 30_000


class Dies:
    """The worker vanishes with this job: it never reports, and its lease runs out."""


DIES = Dies()

# None goes well, like everything that is not scripted.
Scripted = Outcome | Dies | Callable[[Claim], Outcome] | None


@dataclass
class FakeWorker:
    """Delivers the queue's hints to itself and does what they name, one after the other.

    `outcomes` are by task key (`0/schema`), job kind (`integrate`, `checkpoint`, `rollback`,
    `revert`) or, of check runs, by subject (`0/schema-exists`, `phase/0`): one for each time, and
    what goes well when there are no more. `shuffle` takes the messages in a random order,
    `copies` delivers each so many times, `queues` limits what is taken.
    """

    database: Database
    queue: MemoryQueue
    outcomes: Mapping[str, Iterable[Scripted]] = field(default_factory=dict)
    name: str = "worker-1"
    shuffle: random.Random | None = None
    copies: int = 1
    queues: Sequence[str] | None = None
    # What it did: the jobs' names in the order of their claims.
    done: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._scripts = {key: iter(list(script)) for key, script in self.outcomes.items()}
        self._commits = itertools.count(1)
        self._messages: deque[Hint] = deque()

    def run(self, until: Callable[[], bool] = lambda: False, limit: int = 100_000) -> int:
        """Work until the condition holds or no message is left; how many were delivered."""
        for delivered in range(limit):
            if until():
                return delivered
            self._fetch()
            if not self._messages:
                return delivered
            self.deliver(self._next())
        raise AssertionError(f"{limit} messages were not enough; last done: {self.done[-5:]}")

    def deliver(self, hint: Hint) -> Answer | None:
        """Do the first link of a message; None when there was nothing to claim."""
        job_id, rest = hint.links[0], hint.links[1:]
        taken = self.claim(job_id)
        if taken is None:
            return None
        outcome = self._outcome(taken)
        if isinstance(outcome, Dies):
            return None
        answer = self.report(taken, outcome, rest[0] if rest else None)
        if answer.chain:
            self._messages.append(Hint(hint.queue, hint.priority, rest))
        return answer

    def claim(self, job_id: str) -> Claim | None:
        with self.database.transaction() as tx:
            return claim(tx, [job_id], self.name, LEASE).get(job_id)

    def report(self, taken: Claim, outcome: Outcome, next_link: str | None = None) -> Answer:
        """Report, and integrate at once what was won."""
        answer = self._report(
            Report(taken.job_id, taken.fence, outcome, taken.attempt_id, next_link)
        )
        if answer.integration is None:
            return answer
        integration = self._scripted("integrate", taken)
        if isinstance(integration, Dies):
            return answer
        return self._report(
            Report(answer.integration, 1, integration or self._integrated(), "", next_link)
        )

    def _report(self, sent: Report) -> Answer:
        with self.database.transaction() as tx:
            return report(tx, [sent], LEASE)[sent.job_id]

    def _fetch(self) -> None:
        """Take over what was published since, as often as it is to be delivered."""
        mine = [hint for hint in self.queue.hints if self._takes(hint)]
        self.queue.hints[:] = [hint for hint in self.queue.hints if not self._takes(hint)]
        for hint in mine:
            self._messages.extend([hint] * self.copies)

    def _takes(self, hint: Hint) -> bool:
        return self.queues is None or hint.queue in self.queues

    def _next(self) -> Hint:
        if self.shuffle is not None:
            self._messages.rotate(self.shuffle.randrange(len(self._messages)))
        return self._messages.popleft()

    def _outcome(self, taken: Claim) -> Outcome | Dies:
        name = _name(taken)
        self.done.append(name)
        return self._scripted(name, taken) or self._success(taken)

    def _scripted(self, name: str, taken: Claim) -> Outcome | Dies | None:
        scripted = next(self._scripts.get(name, iter(())), None)
        return scripted(taken) if callable(scripted) else scripted

    def _success(self, taken: Claim) -> Outcome:
        match taken.kind:
            case "attempt":
                return self._succeeded(taken)
            case "check":
                return Judged(judgements(taken), taken.tip)
            case "checkpoint":
                return Checkpointed(taken.tip or self._commit(), f"before-{taken.job_id}")
            case "rollback" | "revert":
                return RolledBack(self._commit())
            case _:
                return self._integrated()

    def _succeeded(self, taken: Claim) -> Succeeded:
        commit = self._commit() if taken.files else None
        return Succeeded(f"Did {taken.task_key}", commit, commit and f"tree-of-{commit}")

    def _integrated(self) -> Integrated:
        commit = self._commit()
        return Integrated(commit, commit)

    def _commit(self) -> str:
        return hashlib.sha1(f"{self.name} {next(self._commits)}".encode()).hexdigest()


def judgements(taken: Claim, verdict: str = "passed", message: str = "ok") -> tuple[Judgement, ...]:
    """What a check run brings when all its checks have this verdict."""
    return tuple(
        Judgement(role, subject, each.name, each.kind, verdict, message, _evidence(each, taken))
        for role, subject, checks in _asked(taken)
        for each in checks
    )


def _asked(taken: Claim) -> list[tuple[str, str, Sequence[Check]]]:
    if "milestone" in taken.payload:
        key = taken.payload["milestone"]
        return [("milestone", key, taken.workflow.milestone(key).checks)]
    phase = taken.workflow.phase(taken.payload["phase"])
    subject = f"phase/{phase.number}"
    return [("exit", subject, phase.exit_criteria), ("test", subject, phase.tests)]


def _evidence(check: Check, taken: Claim) -> dict[str, object]:
    command = getattr(check, "run", check.kind)
    return {"command": command, "exit_code": 0, "duration": 0.5, "commit": taken.tip or ""}


def _name(taken: Claim) -> str:
    if taken.kind == "attempt":
        return taken.task_key
    if taken.kind == "check":
        return str(taken.payload.get("milestone") or f"phase/{taken.payload['phase']}")
    return taken.kind
