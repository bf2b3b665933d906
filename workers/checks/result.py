"""What a check returns: its verdict, a sentence, and the evidence that is kept."""

from dataclasses import dataclass, field
from typing import Any

from conductor_app.domain.states import Verdict


@dataclass(frozen=True)
class Outcome:
    """What one kind of check found; run_check adds the name, the verdict and the commit."""

    passed: bool
    message: str
    evidence: dict[str, Any] = field(default_factory=dict)
    # Whether it could not be found out here: something that the check needs is not there.
    absent: bool = False


@dataclass(frozen=True)
class CheckResult:
    """A judged check. `evidence` is JSON and always has commit, tree and duration (seconds)."""

    name: str
    kind: str
    verdict: Verdict
    message: str
    evidence: dict[str, Any]
    seconds: float
    # Key of the task that a failure reopens, when the check names one.
    task: str | None = None
    # Whether its means are absent, so that it says nothing about the commit.
    absent: bool = False
