"""How an attempt fails: one exception, a closed set of kinds, and whether trying again can help."""

from enum import StrEnum

from conductor_app.errors import ConductorError


class FailureKind(StrEnum):
    """Why an attempt ended without a result."""

    TIMEOUT = "TIMEOUT"
    CANCELLED = "CANCELLED"
    CHECK_FAILED = "CHECK_FAILED"
    RECORDING_MISMATCH = "RECORDING_MISMATCH"
    RECORDING_MISSING = "RECORDING_MISSING"
    STUCK = "STUCK"
    TOOL_LIMIT = "TOOL_LIMIT"
    API_LIMIT = "API_LIMIT"
    TEMPORARY_FAILURE = "TEMPORARY_FAILURE"
    AGENT_ERROR = "AGENT_ERROR"
    NO_RESULT = "NO_RESULT"
    CONFLICT = "CONFLICT"
    SANDBOX_UNAVAILABLE = "SANDBOX_UNAVAILABLE"
    OUTPUT_MISSING = "OUTPUT_MISSING"


# A second try with the failure in its context can end differently; the others need a person.
RETRYABLE = frozenset(
    {
        FailureKind.TIMEOUT,
        FailureKind.CHECK_FAILED,
        FailureKind.STUCK,
        FailureKind.TOOL_LIMIT,
        FailureKind.API_LIMIT,
        FailureKind.TEMPORARY_FAILURE,
        FailureKind.AGENT_ERROR,
        FailureKind.NO_RESULT,
        FailureKind.CONFLICT,
        FailureKind.OUTPUT_MISSING,
    }
)


class AttemptFailed(ConductorError):
    """The attempt ended without a result."""

    code = "attempt_failed"

    def __init__(
        self, kind: str, message: str, retryable: bool | None = None, detail: str = ""
    ) -> None:
        """`retryable` follows the kind unless given; `detail` is for the log and the next attempt.

        Raises ValueError for a kind that does not exist.
        """
        super().__init__(message)
        self.kind = FailureKind(kind)
        self.retryable = self.kind in RETRYABLE if retryable is None else retryable
        self.detail = detail
