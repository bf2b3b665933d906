"""The checks that Conductor runs itself: one module per kind, and the judging of a commit."""

from workers.checks.judge import JudgingCancelled, judge, run_check
from workers.checks.result import CheckResult, Outcome

__all__ = ["CheckResult", "JudgingCancelled", "Outcome", "judge", "run_check"]
