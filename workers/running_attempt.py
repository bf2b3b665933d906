"""One attempt while it runs: what its steps share."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from conductor_app.domain.outcome import Judgement, Usage
from conductor_app.domain.workflow import TaskSpec
from conductor_app.engine.claim import Claim
from workers.agents.base import AgentContext
from workers.held import Held
from workers.verdict import Judging, NotPassed
from workers.workshop import Workshop


@dataclass
class RunningAttempt:
    """One attempt while it runs."""

    workshop: Workshop
    claim: Claim
    held: Held
    spec: TaskSpec
    artifacts: Path
    # What takes the turns; FUNCTION for an agent in Python.
    connector: str
    context: AgentContext | None = None
    judgements: tuple[Judgement, ...] = ()
    # The ref of what it did, if it fails.
    kept: str | None = None

    def judge(self, how: Callable[[Judging], tuple[Judgement, ...]]) -> None:
        """Let the task's checks judge. Raises NotPassed, MeansMissing, JudgingCancelled."""
        judging = Judging(self.workshop, self.claim, self.held, self.spec, self.artifacts)
        try:
            self.judgements = how(judging)
        except NotPassed as failure:
            self.judgements = failure.judgements
            raise

    def usage(self) -> Usage:
        if self.context is None:
            return Usage()
        used = self.context.usage
        return Usage(
            self.context.turns,
            used.input_tokens,
            used.output_tokens,
            used.cache_read_tokens,
            used.cost_nano_usd,
        )
