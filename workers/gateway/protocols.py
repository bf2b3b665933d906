"""The protocols that programs speak to the gateway: paths, worst cases, refusals in their words."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from workers.connectors.programs.report import count, entry
from workers.failures import AttemptFailed, FailureKind
from workers.gateway.inline import unseen_by_messages, unseen_by_responses
from workers.gateway.requests import plain_messages, plain_responses
from workers.gateway.usage import MessagesReader, ResponsesReader, UsageReader

Json = dict[str, Any]
# What an answer may take when its request sets no limit; it is set in the request then.
MOST_OUTPUT_TOKENS = 32_000
_STATUS = {
    FailureKind.BUDGET_EXHAUSTED: 429,
    FailureKind.SPEND_LIMIT: 429,
    FailureKind.API_LIMIT: 429,
    FailureKind.CREDENTIALS: 401,
    FailureKind.BAD_REQUEST: 400,
}


class Protocol(ABC):
    """One of the providers' protocols."""

    name: str
    output_limit: str
    reader: type[UsageReader]

    @abstractmethod
    def url(self, base_url: str, path: str) -> str:
        """Where the provider has what the program asks for at this path."""

    @abstractmethod
    def plain(self, body: Json) -> Json:
        """The request with nothing but tokens to pay for."""

    @abstractmethod
    def unseen_tokens(self, body: Json) -> int:
        """The most tokens of its input beyond its bytes; AttemptFailed where nobody knows."""

    @abstractmethod
    def error(self, status: int, message: str, *, over_budget: bool = False) -> Json:
        """An error in the provider's shape."""

    def bound_output(self, body: Json) -> int:
        """The most tokens that the answer may have; the request is given a limit if it has none.

        Raises AttemptFailed for a limit that is none.
        """
        said = body.setdefault(self.output_limit, MOST_OUTPUT_TOKENS)
        if said is None:
            said = body[self.output_limit] = MOST_OUTPUT_TOKENS
        if type(said) is not int or said != count(body, self.output_limit):
            raise AttemptFailed(
                FailureKind.BAD_REQUEST,
                f"`{self.output_limit}` of the request is no number of tokens: {str(said)[:40]}.",
                retryable=False,
                unspent=True,
            )
        return said

    def thought_tokens(self, body: Json) -> int:
        """How many tokens of its answer it has set aside for thoughts: its limit must be more."""
        return count(entry(body, "thinking"), "budget_tokens")

    def refusal(self, failure: AttemptFailed) -> tuple[int, Json, Mapping[str, str]]:
        """Status, body and headers that make a program stop, not try again."""
        over = failure.kind in (FailureKind.BUDGET_EXHAUSTED, FailureKind.SPEND_LIMIT)
        status = _STATUS.get(failure.kind, 500)
        headers = {"x-should-retry": "false"}
        if failure.retry_after is not None:
            headers = {"retry-after": str(max(1, round(failure.retry_after)))}
        return status, self.error(status, failure.message, over_budget=over), headers


class Messages(Protocol):
    """Anthropic's; its base URL is without a version."""

    name = "messages"
    output_limit = "max_tokens"
    reader = MessagesReader
    _types: ClassVar[Mapping[int, str]] = {
        400: "invalid_request_error",
        401: "authentication_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
    }

    def url(self, base_url: str, path: str) -> str:
        return base_url.rstrip("/") + path

    def plain(self, body: Json) -> Json:
        return plain_messages(body)

    def unseen_tokens(self, body: Json) -> int:
        return unseen_by_messages(body)

    def error(self, status: int, message: str, *, over_budget: bool = False) -> Json:
        error: Json = {"type": self._types.get(status, "api_error"), "message": message}
        if over_budget:
            error["details"] = {"error_code": "enforced_spend_limit_reached"}
        return {"type": "error", "error": error}


class Responses(Protocol):
    """OpenAI's; its base URL has the version."""

    name = "responses"
    output_limit = "max_output_tokens"
    reader = ResponsesReader

    def url(self, base_url: str, path: str) -> str:
        return base_url.rstrip("/") + path.removeprefix("/v1")

    def plain(self, body: Json) -> Json:
        return plain_responses(body)

    def unseen_tokens(self, body: Json) -> int:
        return unseen_by_responses(body)

    def error(self, status: int, message: str, *, over_budget: bool = False) -> Json:
        word = "insufficient_quota" if over_budget else "invalid_request_error"
        return {"error": {"type": word, "code": word, "param": None, "message": message}}


MESSAGES, RESPONSES = Messages(), Responses()
# What costs tokens, by path.
CALLS: Mapping[str, Protocol] = {"/v1/messages": MESSAGES, "/v1/responses": RESPONSES}
# What costs none and is forwarded as it is.
FREE: Mapping[str, Protocol] = {"/v1/messages/count_tokens": MESSAGES}


def spoken_at(path: str) -> Protocol:
    """The protocol in whose words an error at this path is worded."""
    return RESPONSES if path.startswith("/v1/responses") else MESSAGES
