"""The desk of an attempt: what its agent leaves there for people is written at once."""

from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError

from conductor_app import logs, masking
from conductor_app.bootstrap import Conductor
from conductor_app.domain.outcome import Question
from conductor_app.domain.signals import SignalType
from conductor_app.engine import decisions, remarks
from conductor_app.engine.claim import Claim
from workers.tools.workplace import ToolFault


@dataclass(frozen=True)
class TaskDesk:
    """What the attempt leaves counts only while it holds its job."""

    conductor: Conductor
    claim: Claim

    def answer(self, question: Question) -> str | None:
        try:
            with self.conductor.read() as tx:
                return decisions.answered(tx, self.claim.task_id, question)
        except DBAPIError as problem:
            # Asked again, it waits: its report has the patience for a database that is away.
            logs.warning("desk_unreachable", name=self.claim.task_key, error=problem)
            return None

    def remember(self, category: str, lesson: str, action: str) -> None:
        try:
            with self.conductor.transaction() as tx:
                told = masking.within((category, lesson, action))
                kept = remarks.remember(tx, self._source, *told)
        except DBAPIError as problem:
            raise _away(problem) from problem
        _refuse_unless(kept)

    def signal(self, type_: SignalType, title: str, detail: str) -> None:
        try:
            with self.conductor.transaction() as tx:
                told = masking.within((title, detail))
                kept = remarks.signal(tx, self._source, type_, *told)
        except DBAPIError as problem:
            raise _away(problem) from problem
        _refuse_unless(kept)

    @property
    def _source(self) -> remarks.Source:
        claim = self.claim
        return remarks.Source(
            claim.execution_id, claim.job_id, claim.fence, claim.task_id, claim.attempt_id
        )


def _away(problem: DBAPIError) -> ToolFault:
    return ToolFault(f"It could not be kept, the database does not answer ({problem.orig}). Go on.")


def _refuse_unless(kept: bool) -> None:
    if not kept:
        raise ToolFault("It was not kept: this attempt does not hold its task any more.")
