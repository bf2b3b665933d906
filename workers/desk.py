"""The desk of an attempt: what its agent leaves there for people is written at once."""

from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError

from conductor_app import logs, masking
from conductor_app.domain.outcome import Question
from conductor_app.domain.signals import SignalType
from conductor_app.engine import decisions, remarks
from conductor_app.engine.claim import Claim
from workers.patience import Patience
from workers.tools.workplace import ToolFault


@dataclass(frozen=True)
class TaskDesk:
    """What the attempt leaves counts only while it holds its job."""

    patience: Patience
    claim: Claim

    def answer(self, question: Question) -> str | None:
        try:
            return self.patience.read(
                lambda tx: decisions.answered(tx, self.claim.task_id, question)
            )
        except DBAPIError as problem:
            # Asked again, it waits: its report has the patience for a database that is away.
            logs.warning("desk_unreachable", name=self.claim.task_key, error=problem)
            return None

    def remember(self, category: str, lesson: str, action: str) -> None:
        told = masking.within((category, lesson, action))
        try:
            kept = self.patience.write(lambda tx: remarks.remember(tx, self._source, *told))
        except DBAPIError as problem:
            raise _away(problem) from problem
        _refuse_unless(kept)

    def signal(self, type_: SignalType, title: str, detail: str) -> None:
        told = masking.within((title, detail))
        try:
            kept = self.patience.write(lambda tx: remarks.signal(tx, self._source, type_, *told))
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
