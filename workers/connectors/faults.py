"""What goes wrong with a call to a model, as an AttemptFailed that says what to do about it."""

import json
import math
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx2

from conductor_app import connector_keys, masking
from conductor_app.connector_settings import DEFAULTS, ModelSettings
from workers.failures import AttemptFailed, FailureKind

_LONGEST_QUOTE = 300
_LONGEST_ID = 100
_TAGS = re.compile(r"<[^<>]*>")
_UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError, httpx2.PoolTimeout)
PROVIDERS = {"anthropic": "Anthropic", "openai": "OpenAI", "deepseek": "DeepSeek"}

# By a provider's own words, which say more than the status: a 429 may be a spend limit, which no
# waiting cures, and in the middle of a stream the status is 200.
_BY_WORD: Mapping[str, FailureKind] = {
    "enforced_spend_limit_reached": FailureKind.SPEND_LIMIT,
    "contract_spend_limit_reached": FailureKind.SPEND_LIMIT,
    "ramp_limit_exceeded": FailureKind.SPEND_LIMIT,
    "billing_error": FailureKind.SPEND_LIMIT,
    "insufficient_quota": FailureKind.SPEND_LIMIT,
    "billing_hard_limit_reached": FailureKind.SPEND_LIMIT,
    "rate_limit_error": FailureKind.API_LIMIT,
    "rate_limit_exceeded": FailureKind.API_LIMIT,
    "overloaded_error": FailureKind.API_LIMIT,
    "slow_down": FailureKind.API_LIMIT,
    "authentication_error": FailureKind.CREDENTIALS,
    "permission_error": FailureKind.CREDENTIALS,
    "invalid_api_key": FailureKind.CREDENTIALS,
    "model_not_found": FailureKind.BAD_REQUEST,
    "request_too_large": FailureKind.BAD_REQUEST,
    "context_length_exceeded": FailureKind.BAD_REQUEST,
}
_BY_STATUS: Mapping[int, FailureKind] = {
    401: FailureKind.CREDENTIALS,
    402: FailureKind.SPEND_LIMIT,
    403: FailureKind.CREDENTIALS,
    408: FailureKind.TEMPORARY_FAILURE,
    409: FailureKind.TEMPORARY_FAILURE,
    429: FailureKind.API_LIMIT,
    529: FailureKind.API_LIMIT,
}
# Said with many a status, so they count only where neither another word nor the status says more;
# what is in no table is a temporary failure.
_BY_VAGUE_WORD: Mapping[str, FailureKind] = {
    "invalid_request_error": FailureKind.BAD_REQUEST,
    "invalid_prompt": FailureKind.BAD_REQUEST,
    "not_found_error": FailureKind.BAD_REQUEST,
}
_RETRYABLE = (FailureKind.API_LIMIT, FailureKind.TEMPORARY_FAILURE, FailureKind.UNREADABLE)


@dataclass(frozen=True)
class Fault:
    """What a provider said of a call that failed; `words` are its own names for the kind."""

    message: str
    status: int | None = None
    words: tuple[str, ...] = ()
    request_id: str | None = None
    retry_after: float | None = None
    # The request did not even arrive.
    unsent: bool = False
    # What we make of it ourselves.
    judged: FailureKind | None = None

    @property
    def kind(self) -> FailureKind:
        if self.judged is not None:
            return self.judged
        for word in self.words:
            if word in _BY_WORD:
                return _BY_WORD[word]
        status = self.status or 0
        if status in _BY_STATUS:
            return _BY_STATUS[status]
        if 300 <= status < 500:
            return FailureKind.BAD_REQUEST
        for word in self.words:
            if word in _BY_VAGUE_WORD:
                return _BY_VAGUE_WORD[word]
        return FailureKind.TEMPORARY_FAILURE


class Failed(Exception):
    """The provider said in the middle of an answer that it failed."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class Truncated(Exception):
    """The stream ended, cleanly or not, before the provider said that the answer was complete."""


def too_long(characters: int) -> Failed:
    """It said more than this, which is more than it was allowed."""
    said = f"it said more than {characters:,} characters in one turn, and was not asked for so many"
    return Failed(Fault(said, judged=FailureKind.UNREADABLE))


def fault_of(error: Exception) -> Fault:
    """What an exception of an SDK, of its HTTP library or of the reading of an answer says."""
    if isinstance(error, Failed):
        return error.fault
    if said := _in_words(error):
        unsent = any(isinstance(each, _UNSENT) for each in _causes(error))
        return Fault(said, unsent=unsent)
    response = getattr(error, "response", None)
    headers = getattr(response, "headers", None) or {}
    words = (getattr(error, name, None) for name in ("error_code", "code", "type"))
    status = getattr(error, "status_code", None)
    return Fault(
        message=_message(error) or type(error).__name__,
        status=status if isinstance(status, int) else None,
        words=tuple(word for word in words if isinstance(word, str)),
        request_id=headers.get("request-id") or headers.get("x-request-id"),
        retry_after=retry_after(headers),
    )


def _message(error: Exception) -> str:
    """The provider's own words, without what an SDK puts around them or a proxy makes of them."""
    body = getattr(error, "body", None)
    said = getattr(error, "api_message", None)
    said = said or (body.get("message") if isinstance(body, dict) else body)
    if not isinstance(said, str) or not said.strip():
        said = getattr(error, "message", None) or str(error)
    return _TAGS.sub(" ", str(said)).strip()


def _in_words(error: Exception) -> str | None:
    """What happened when it was no answer with an error; None when it was."""
    if isinstance(getattr(error, "status_code", None), int):
        return None
    for each in _causes(error):
        if words := _of_the_connection(each) or _of_the_answer(each):
            return words
    return None


def _of_the_connection(error: BaseException) -> str | None:
    match error:
        case httpx2.ConnectError() | httpx2.ConnectTimeout():
            return f"it could not be reached ({str(error) or type(error).__name__})"
        case httpx2.ProxyError():
            return f"the proxy did not let it through ({str(error) or type(error).__name__})"
        case httpx2.PoolTimeout():
            return "too many calls were under way here"
        case httpx2.TimeoutException():
            return "it was silent for too long"
        case httpx2.HTTPError() | httpx2.StreamError():
            return "the connection was cut before the answer was complete"
    return None


def _of_the_answer(error: BaseException) -> str | None:
    match error:
        case json.JSONDecodeError() | UnicodeDecodeError():
            return "what it answered is no valid JSON"
        case Truncated() | RuntimeError() | AssertionError():
            return "the answer ended before it was complete"
        case AttributeError() | LookupError() | TypeError() | ValueError():
            return f"the answer is not what its API gives ({type(error).__name__}: {error})"
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds until the provider wants to be asked again; None when it does not say."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    try:
        at = parsedate_to_datetime(headers.get("retry-after", "")).timestamp()
    except (ArithmeticError, LookupError, TypeError, ValueError):
        # A date that no calendar has.
        return None
    return max(0.0, at - time.time())


def failure_of(fault: Fault, settings: ModelSettings) -> AttemptFailed:
    """The failure of an attempt, in a sentence for the person who can do something about it."""
    kind = fault.kind
    refused = fault.status is not None and fault.status != HTTPStatus.OK
    return AttemptFailed(
        kind,
        _sentence(fault, settings),
        retryable=kind in _RETRYABLE,
        http_status=fault.status,
        request_id=fault.request_id,
        retry_after=fault.retry_after,
        unspent=refused or fault.unsent,
    )


def _sentence(fault: Fault, settings: ModelSettings) -> str:
    # By its id the provider's support finds the call.
    call = f" (request {fault.request_id[:_LONGEST_ID]})" if fault.request_id else ""
    said = f"{_problem(fault, settings)}: {_quoted(fault, settings)}{call}."
    return f"{said} {_way_out(fault, settings)}".rstrip()


def _problem(fault: Fault, settings: ModelSettings) -> str:
    """What happened, before the provider's own words for it."""
    who = PROVIDERS[settings.provider]
    match fault.kind:
        case FailureKind.CREDENTIALS:
            source = settings.key.source if settings.key else "nowhere"
            return f"{who} does not accept the key from {source} for {settings.model}"
        case FailureKind.SPEND_LIMIT:
            return f"The spend limit at {who} is reached"
        case FailureKind.API_LIMIT:
            return f"{who} takes no more requests for now"
        case FailureKind.BAD_REQUEST if fault.status == 404:
            return f"{who} at {settings.base_url} has no model {settings.model!r}"
        case FailureKind.BAD_REQUEST if fault.status == 413:
            return f"The conversation is larger than {who} takes"
        case FailureKind.BAD_REQUEST:
            return f"{who} did not accept the request for {settings.model}"
        case FailureKind.UNREADABLE:
            return f"{who}'s {settings.model} could not be used"
    return f"{who} at {settings.base_url}" if fault.unsent else f"{who} failed"


def _way_out(fault: Fault, settings: ModelSettings) -> str:
    """What to do about it; empty where there is nothing to be said."""
    who = PROVIDERS[settings.provider]
    section = f"`connectors: {settings.connector}:` in conductor.yml"
    variable = f"CONDUCTOR_{settings.connector.upper()}"
    address = f"{variable}_BASE_URL or `base_url` of {section}"
    match fault.kind:
        case FailureKind.CREDENTIALS:
            return (
                "Put a right one there and start Conductor anew, or give one in another way: "
                f"{connector_keys.advice(settings.connector)}"
            )
        case FailureKind.SPEND_LIMIT:
            return f"Raise it, or pay in, at {who}; waiting does not help."
        case FailureKind.API_LIMIT:
            return "" if fault.retry_after is None else f"It asks for {fault.retry_after:g} s."
        case FailureKind.BAD_REQUEST if fault.status == 404:
            usual = DEFAULTS[settings.connector]
            known = "" if settings.model == usual.model else f", such as {usual.model}"
            corrected = "" if settings.base_url == usual.base_url else ", or correct its base_url"
            return (
                f"Set {variable}_MODEL, or `model` of {section}, to one that it has{known}"
                f"{corrected}."
            )
        case FailureKind.BAD_REQUEST if fault.status == 413:
            return f"Make the task smaller, or set `context_window` of {section} to less."
        case FailureKind.BAD_REQUEST:
            return (
                f"If this model can't do what was asked of it, change {section}, or the agent's "
                "`model`."
            )
        case FailureKind.UNREADABLE:
            return f"Check that {address} is {who}'s, or choose another model."
    if fault.unsent:
        return f"Check this machine's network, and {address}."
    return "As a rule it works when tried again."


def _quoted(fault: Fault, settings: ModelSettings) -> str:
    """The provider's message in one short line, without the key that it may repeat."""
    text = fault.message
    if settings.key is not None:
        text = text.replace(settings.key.secret.get_secret_value(), "***")
    # Before it is cut: half a secret would not be known to whoever masks the sentence.
    text = " ".join(masking.words(text).split())
    if len(text) > _LONGEST_QUOTE:
        text = f"{text[:_LONGEST_QUOTE]}..."
    status = "" if fault.status in (None, HTTPStatus.OK) else f"{fault.status}: "
    return f"{status}{text.rstrip('.')}"
