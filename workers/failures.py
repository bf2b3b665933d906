"""How an attempt fails: one exception, and the closed set of kinds that retry policies name."""

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
    EMPTY_ANSWER = "EMPTY_ANSWER"
    UNKNOWN_TOOL = "UNKNOWN_TOOL"
    BAD_ARGUMENTS = "BAD_ARGUMENTS"
    CONFLICT = "CONFLICT"
    REFUSED = "REFUSED"
    CREDENTIALS = "CREDENTIALS"
    SPEND_LIMIT = "SPEND_LIMIT"
    BAD_REQUEST = "BAD_REQUEST"
    BUDGET_EXHAUSTED = "BUDGET_EXHAUSTED"
    SANDBOX_UNAVAILABLE = "SANDBOX_UNAVAILABLE"
    OUTPUT_MISSING = "OUTPUT_MISSING"
    # Of a setup that a person gave.
    SETUP_FAILED = "SETUP_FAILED"
    # Of coding-agent programs.
    NOT_INSTALLED = "NOT_INSTALLED"
    DENIED = "DENIED"
    UNREADABLE = "UNREADABLE"


class AttemptFailed(ConductorError):
    """The attempt ended without a result."""

    code = "attempt_failed"

    def __init__(
        self,
        kind: str,
        message: str,
        retryable: bool = True,
        detail: str = "",
        *,
        http_status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        unspent: bool = False,
    ) -> None:
        """The task's retry policy decides by the kind; with `retryable` false nothing can help.

        `detail` is for the log and the next attempt. Of a model's call: its `http_status`, the
        provider's `request_id`, after how many seconds it may be asked again, and whether it was
        refused before any token was used. Raises ValueError for an unknown kind.
        """
        super().__init__(message)
        self.kind = FailureKind(kind)
        self.retryable = retryable
        self.detail = detail
        self.http_status = http_status
        self.request_id = request_id
        self.retry_after = retry_after
        self.unspent = unspent

    @property
    def of_the_call(self) -> dict[str, int | str]:
        """What the provider's support asks for, as far as it is known."""
        known = {"http_status": self.http_status, "request_id": self.request_id}
        return {name: value for name, value in known.items() if value is not None}
