"""Simulated workers, which hold jobs as long as a test likes, on a branch that is only names."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from conductor_app.domain.outcome import (
    Checkpointed,
    Conflicted,
    Failed,
    Integrated,
    Interrupted,
    Judged,
    Judgement,
    Outcome,
    Released,
    Report,
    RolledBack,
    Succeeded,
    Suspended,
    Unreadable,
)
from conductor_app.engine import sweep
from conductor_app.engine.claim import Claim, claim
from conductor_app.engine.report import Answer, report
from conductor_app.queue import Hint
from conductor_app.store import executions, jobs
from tests.fakes.engine import Engine

# Longer than any test: leases end when a test says so.
LEASE = 10**12


@dataclass(frozen=True)
class HeldJob:
    """A job in a worker's hands, with the links of its chain that come after it."""

    claim: Claim
    job_id: str
    fence: int
    kind: str
    queue: str
    links: tuple[str, ...] = ()
    commit: str = ""
    attempt_id: str = ""


@dataclass
class Simulation:
    """Takes messages in any order, ends jobs in any way, loses what it likes.

    `branch` is what git would hold: (task id, attempt id, commit) of everything integrated, in
    order. Integrating is done as workers do it: the right to write is asked for right before.
    """

    engine: Engine
    held: list[HeldJob] = field(default_factory=list)
    # Given up by the sweeper, but their workers don't know it.
    lost: list[HeldJob] = field(default_factory=list)
    branch: list[tuple[str, str, str]] = field(default_factory=list)
    made: int = 0

    def deliver(self, hint: Hint) -> HeldJob | None:
        job_id, links = hint.links[0], hint.links[1:]
        with self.engine.database.transaction() as tx:
            taken = claim(tx, [job_id], "worker", LEASE).get(job_id)
        if taken is None:
            return None
        payload = taken.payload
        held = HeldJob(
            taken,
            job_id,
            taken.fence,
            taken.kind,
            hint.queue,
            links,
            commit=payload.get("commit") or "",
            attempt_id=payload.get("attempt_id") or taken.attempt_id,
        )
        self.held.append(held)
        return held

    def report(self, held: HeldJob, outcome: Outcome) -> Answer:
        """Send a report; what follows from its answer happens as with a real worker."""
        if held in self.held:
            self.held.remove(held)
        sent = Report(
            held.job_id,
            held.fence,
            outcome,
            held.attempt_id if held.kind == "attempt" else "",
            held.links[0] if held.links else None,
        )
        with self.engine.database.transaction() as tx:
            answer = report(tx, [sent], LEASE)[held.job_id]
        if answer.integration is not None:
            assert isinstance(outcome, Succeeded)
            self.held.append(self._won(held, answer.integration, outcome.commit or ""))
        if answer.chain:
            self.engine.queue.send([Hint(held.queue, 0, held.links)])
        return answer

    def succeed(self, held: HeldJob) -> Answer | None:
        """End it well, as its kind does; None when an integration lost its right to write."""
        self.made += 1
        match held.kind:
            case "attempt":
                commit = f"c{self.made}" if held.claim.files else None
                return self.report(held, Succeeded("done", commit, commit))
            case "check":
                return self.report(held, Judged((), held.claim.tip))
            case "checkpoint":
                commit = held.claim.tip or "base" if held.claim.uses_git else None
                return self.report(held, Checkpointed(commit, f"tag-{self.made}"))
            case "rollback" | "revert":
                return self.report(held, RolledBack(f"r{self.made}"))
            case _:
                return (
                    self.report(held, Integrated(held.commit, held.commit))
                    if (self.integrate(held))
                    else None
                )

    def integrate(self, held: HeldJob) -> bool:
        """Put the commit on the branch, if the fence still stands and nothing holds the branch."""
        entry = (self._task_of(held), held.attempt_id, held.commit)
        if entry in self.branch:
            return True
        if not self._still_valid(held):
            if held in self.held:
                self.held.remove(held)
            return False
        self.branch.append(entry)
        return True

    def lose(self, held: HeldJob) -> None:
        """Its worker falls silent, and the sweeper notices."""
        self.held.remove(held)
        self.lost.append(held)
        self.engine.change(
            jobs.jobs,
            (jobs.jobs.c.id == held.job_id) & (jobs.jobs.c.fence == held.fence) & jobs.ACTIVE,
            lease_until=0,
        )
        self.engine.do(sweep.expire, held.claim.execution_id, held.job_id)

    def is_integrated(self, held: HeldJob) -> bool:
        return any(attempt_id == held.attempt_id for _, attempt_id, _ in self.branch)

    def is_active(self, held: HeldJob) -> bool:
        """Whether somebody is at the job, be it this holder or another one."""
        return bool(self.engine.job(held.job_id).status == "active")

    def work_off(self, tries: int = 2_000) -> None:
        """Everything ends well until nothing more is published."""
        for _ in range(tries):
            if self.held:
                self.succeed(self.held[0])
            elif self.engine.queue.hints:
                self.deliver(self.engine.queue.hints.pop(0))
            else:
                return
        raise AssertionError("it does not come to an end")

    def _won(self, held: HeldJob, job_id: str, commit: str) -> HeldJob:
        return HeldJob(
            held.claim, job_id, 1, "integrate", held.queue, held.links, commit, held.attempt_id
        )

    def _task_of(self, held: HeldJob) -> str:
        return str(self.engine.job(held.job_id).task_id)

    def _still_valid(self, held: HeldJob) -> bool:
        with self.engine.reading() as tx:
            job = jobs.get(tx, held.job_id)
            free = executions.hold_of(tx, held.claim.execution_id) is None
        return job is not None and job.status == "active" and job.fence == held.fence and free


def failing(name: str = "it works", reopens: str | None = None) -> Judged:
    return Judged((Judgement("milestone", "m", name, "command", "failed", "no", {}, reopens),), "t")


def gits_fault() -> Interrupted:
    return Interrupted("no git")


# How a job of each kind can end otherwise than well.
SETBACKS: dict[str, Sequence[Callable[[], Outcome]]] = {
    "attempt": (
        lambda: Failed("TIMEOUT", "too slow"),
        lambda: Failed("TOOL_LIMIT", "too much", retryable=False),
        Released,
        lambda: Suspended("API_LIMIT", "too many calls", 30.0),
        lambda: Suspended("BUDGET_EXHAUSTED", "others hold it", bounded=False),
        lambda: Interrupted("no disk"),
    ),
    "check": (
        failing,
        lambda: failing(reopens="a"),
        lambda: failing(reopens="0/a"),
        Released,
        lambda: Suspended("API_LIMIT", "too many calls", 30.0),
        lambda: Suspended("BUDGET_EXHAUSTED", "it is used up", bounded=False, pauses=True),
        lambda: Interrupted("no git", critical=True),
    ),
    "integrate": (
        lambda: Conflicted("x.py"),
        lambda: Unreadable("gone"),
        Released,
        gits_fault,
    ),
    "checkpoint": (Released, lambda: Interrupted("no git", critical=True)),
    "rollback": (Released, gits_fault),
    "revert": (Released, gits_fault, lambda: Conflicted("x.py")),
}
