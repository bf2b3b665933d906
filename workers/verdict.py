"""What an attempt brought, judged by its task's checks: a verdict on each, and what failed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from conductor_app.domain.outcome import Judgement
from conductor_app.domain.states import Verdict
from conductor_app.domain.workflow import FileCheck, TaskSpec
from conductor_app.engine.claim import Claim
from conductor_app.errors import ConductorError
from workers.bench import Bench, open_bench, operator_variables
from workers.checks import CheckResult, judge
from workers.failures import AttemptFailed, FailureKind
from workers.held import Held
from workers.workshop import Workshop
from workers.workspace import Repository

# What failed logs tell the next attempt, in characters.
LOG_LENGTH = 4_000


@dataclass(frozen=True)
class Judging:
    """A task's checks, and where they are carried out."""

    workshop: Workshop
    claim: Claim
    held: Held
    spec: TaskSpec
    artifacts: Path

    def commit(self, repository: Repository, commit: str) -> tuple[Judgement, ...]:
        """The verdicts on a commit's files. Raises NotPassed, MeansMissing, JudgingCancelled."""
        if not self.spec.checks and not self.spec.produces:
            return ()
        with open_bench(
            repository,
            commit,
            workflow=self.claim.workflow,
            sandbox=self.workshop.sandbox,
            home=self.workshop.conductor.settings.home,
            artifacts=self.artifacts,
            variables=operator_variables(),
            inputs=self.claim.inputs,
            cancelled=self.held.stopped,
        ) as bench:
            return self._verdicts(bench)

    def empty(self, place: Path) -> tuple[Judgement, ...]:
        """The verdicts where there is no repository; `place` has no files. Raises the same."""
        bench = Bench(
            checkout=place,
            commit="",
            tree="",
            workflow=self.claim.workflow,
            sandbox=self.workshop.sandbox,
            home=self.workshop.conductor.settings.home,
            artifacts=self.artifacts,
            variables=operator_variables(),
            inputs=self.claim.inputs,
            cancelled=self.held.stopped,
        )
        return self._verdicts(bench)

    def _verdicts(self, bench: Bench) -> tuple[Judgement, ...]:
        produced = [
            FileCheck(kind="file", name=f"Produces {path}", path=path)
            for path in self.spec.produces
        ]
        results = judge([*produced, *self.spec.checks], bench)
        verdicts = tuple(judgement(each, "task", self.claim.task_key) for each in results)
        bad = [each for each in results if each.verdict == Verdict.FAILED]
        if not bad:
            return verdicts
        if any(each.absent for each in bad):
            raise MeansMissing(bad)
        missing = len(produced) > 0 and results.index(bad[0]) < len(produced)
        kind = FailureKind.OUTPUT_MISSING if missing else FailureKind.CHECK_FAILED
        message = "; ".join(f"{each.name}: {each.message}" for each in bad)
        raise NotPassed(kind, message, _logs_of(bad), verdicts)


class NotPassed(AttemptFailed):
    """The attempt's work did not pass its task's checks."""

    def __init__(
        self, kind: FailureKind, message: str, logs: str, judgements: tuple[Judgement, ...]
    ) -> None:
        super().__init__(kind, message, detail=logs)
        self.judgements = judgements


class MeansMissing(ConductorError):
    """The attempt's work can't be judged here: something that its checks need is not there."""

    code = "means_missing"

    def __init__(self, bad: Sequence[CheckResult]) -> None:
        """Of the checks that failed; what else is wrong is found when these can be judged."""
        absent = [each for each in bad if each.absent]
        told = "; ".join(f"{each.name}: {each.message}" for each in absent)
        super().__init__(f"The task's work is there and can't be judged. {told}")


def judgement(result: CheckResult, role: str, subject: str) -> Judgement:
    return Judgement(
        role,
        subject,
        result.name,
        result.kind,
        result.verdict,
        result.message,
        result.evidence,
        result.task,
        result.absent,
    )


def _logs_of(bad: Sequence[CheckResult]) -> str:
    logs_of = (str(each.evidence.get("log", "")) for each in bad)
    return "\n".join(text for text in logs_of if text)[-LOG_LENGTH:]
