"""How an attempt waits: raised out of the loop, it frees the worker until the wait is over."""

from conductor_app.domain.outcome import Question
from workers.failures import AttemptFailed, FailureKind

DECISION = "DECISION"
# What gets better by itself. A turn that failed so has run none of its tools, so it can be had
# again.
_PASSING = (FailureKind.API_LIMIT, FailureKind.TEMPORARY_FAILURE)


class Suspend(Exception):
    """The attempt goes on later, where it is now: after `seconds`, or when a question is answered.

    `seconds` None: nobody knows when. Waits that are `bounded` become a failure in the end; one
    that `pauses` is for a person, who lets the whole execution go on.
    """

    def __init__(
        self,
        kind: str,
        reason: str,
        seconds: float | None = None,
        *,
        bounded: bool = True,
        pauses: bool = False,
        question: Question | None = None,
    ) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.seconds = seconds
        self.bounded = bounded
        self.pauses = pauses
        self.question = question


def asking(question: Question) -> Suspend:
    """Until a person has answered."""
    reason = f"It waits for a decision: {question.text}"
    return Suspend(DECISION, reason, bounded=False, question=question)


def waiting_for(failure: AttemptFailed) -> Suspend | None:
    """The wait that a model's failure calls for; None when waiting would not help."""
    if failure.kind == FailureKind.BUDGET_EXHAUSTED:
        # For calls of others to be settled, or for a person who raises the cap.
        others = failure.retry_after
        return Suspend(failure.kind, failure.message, others, bounded=False, pauses=others is None)
    if failure.kind not in _PASSING or not failure.retryable:
        return None
    return Suspend(failure.kind, failure.message, failure.retry_after)
