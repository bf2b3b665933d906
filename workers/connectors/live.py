"""What the connectors of live models share: patience, faults, the bound of a call, log lines."""

import json
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import httpx2

from conductor_app import masking, printable
from conductor_app.connector_settings import ModelSettings
from conductor_app.tool_specs import ToolSpec
from workers import strict_json
from workers.agents.base import LogCallback
from workers.connectors.faults import failure_of, fault_of, too_long
from workers.connectors.model import ModelConnector
from workers.connectors.patience import Patience
from workers.failures import AttemptFailed, FailureKind
from workers.loop import LoopLimits
from workers.narration import one_line
from workers.turns import Message, Turn

Json = dict[str, Any]
# What a provider adds to a request on its own, in tokens.
_UNSEEN_TOKENS = 1_000
# No token is longer on average, and no answer below this is worth a complaint.
_LONGEST_TOKEN = 64
_NEVER_TOO_LONG = 1_000_000
# How deep a call's arguments may be nested; what writes them down goes in with calls of its own.
DEEPEST = 100


class Answer(Protocol):
    """An SDK's stream: events, and the HTTP response that they come in."""

    @property
    def response(self) -> httpx2.Response: ...

    def __iter__(self) -> Any: ...


@dataclass(frozen=True)
class Bound:
    """The most that a call can use, in tokens."""

    input_tokens: int
    output_tokens: int


class LiveConnector(ModelConnector):
    """A model behind a provider's API; extend it with the provider's words."""

    live = True

    def __init__(self, settings: ModelSettings, conversation: str) -> None:
        """`conversation` names it to the provider, which finds its cache by that."""
        super().__init__()
        self.name = settings.connector
        self.provider = settings.provider
        self.model = settings.model
        self.window = settings.context_window
        self.loop_limits = LoopLimits(turns=settings.max_turns)
        # Whoever pays may lower it for the next turn.
        self.max_output_tokens = settings.max_output_tokens
        self.settings = settings
        self.conversation = conversation
        self._patience = Patience()
        self._wires = _Wires(self.wire)

    @abstractmethod
    def wire(self, message: Message) -> list[Json]:
        """A message in the provider's words."""

    @abstractmethod
    def request(self, system: str, wires: Sequence[Json], tools: Sequence[ToolSpec]) -> Json:
        """The body of a request."""

    @abstractmethod
    def answer(self, request: Json, timeout: httpx2.Timeout) -> AbstractContextManager[Answer]:
        """Ask; the answer is a stream."""

    @abstractmethod
    def read(self, events: Iterable[Any], lines: "Lines") -> Turn:
        """A stream's events as a turn; raises Truncated, Failed, and whatever odd events cause."""

    def limit(self, cancelled: Callable[[], bool], deadline: float) -> None:
        self._patience = Patience(cancelled, deadline)

    def bound(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Bound:
        """Of the next turn: a token has at least one byte."""
        system, rest = _apart(messages)
        size = self._wires.size(rest) + _size(self.request(system, [], tools))
        return Bound(size + _UNSEEN_TOKENS, self.max_output_tokens)

    def turn(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Turn:
        system, rest = _apart(messages)
        request = self.request(masking.data(system), self._wires.of(rest), tools)
        request_id = None
        lines = Lines(self.log, max(_NEVER_TOO_LONG, _LONGEST_TOKEN * self.max_output_tokens))
        try:
            with self._patience.lasting(), self.answer(request, self._timeout()) as answer:
                request_id = _request_id(answer.response)
                turn = _sound(self.read(answer, lines))
        except AttemptFailed:
            raise
        except Exception as error:
            # The SDKs let through errors of HTTP, of JSON and of their own assertions.
            raise self._failure(error, request_id) from error
        finally:
            lines.end()
        return replace(turn, request_id=request_id)

    def _timeout(self) -> httpx2.Timeout:
        return httpx2.Timeout(self.settings.silence, connect=min(10.0, self.settings.silence))

    def _failure(self, error: Exception, request_id: str | None) -> AttemptFailed:
        fault = fault_of(error)
        fault = replace(fault, request_id=fault.request_id or request_id)
        failure = failure_of(fault, self.settings)
        if self._patience.cancelled():
            return AttemptFailed(
                FailureKind.CANCELLED,
                "It was stopped while its model answered.",
                unspent=failure.unspent,
            )
        if self._patience.over:
            return AttemptFailed(
                FailureKind.TIMEOUT,
                "The task's time was over before its model had answered. "
                "Give the task more time, or make it smaller.",
                unspent=failure.unspent,
            )
        return failure


class Lines:
    """A stream's text for the log, as whole lines; all that it says is counted."""

    def __init__(self, log: LogCallback | None, longest: int) -> None:
        self._log = log
        self._left = longest
        self._longest = longest
        self._begun: list[str] = []

    def count(self, piece: str) -> None:
        """Something that is not for the log. Raises Failed: it says more than it was allowed."""
        self._left -= len(piece)
        if self._left < 0:
            raise too_long(self._longest)

    def add(self, text: str) -> None:
        """Raises Failed: it says more than it was allowed."""
        self.count(text)
        first, *more = text.split("\n")
        self._begun.append(first)
        for line in more:
            self.end()
            self._begun.append(line)

    def end(self) -> None:
        line = one_line("".join(self._begun))
        self._begun.clear()
        if line and self._log is not None:
            self._log(f"  | {line}")


class _Wires:
    """Messages in a provider's words, each put so once: a conversation grows at its end."""

    def __init__(self, convert: Callable[[Message], list[Json]]) -> None:
        self._convert = convert
        self._kept: list[tuple[Message, list[Json], int]] = []

    def of(self, messages: Sequence[Message]) -> list[Json]:
        self._keep(messages)
        return [wire for _, wires, _ in self._kept for wire in wires]

    def size(self, messages: Sequence[Message]) -> int:
        """In bytes."""
        self._keep(messages)
        return sum(size for _, _, size in self._kept)

    def _keep(self, messages: Sequence[Message]) -> None:
        same = 0
        for message, (kept, _, _) in zip(messages, self._kept, strict=False):
            if message is not kept:
                break
            same += 1
        del self._kept[same:]
        for message in messages[same:]:
            wires = masking.within(self._convert(message), printable.sound)
            if message.role != "assistant":
                # A model's own words go back to it as they were: it may have signed them.
                wires = masking.within(wires, masking.data)
            self._kept.append((message, wires, _size(wires)))


def arguments_of(text: str) -> Any:
    """A call's arguments; what is no JSON, or nested without end, is left as the model said it,
    for the tool to refuse."""
    try:
        arguments = strict_json.loads(text or "{}")
    except (ValueError, RecursionError):
        return text
    return text if strict_json.nested(arguments, DEEPEST) else arguments


def arguments_text(arguments: Any) -> str:
    """A call's arguments as the model said them."""
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def _sound(turn: Turn) -> Turn:
    """The turn, if each part is what it should be: the SDKs look at nothing that they are sent.

    Raises TypeError, ValueError.
    """
    texts = [turn.text, turn.model, *(part for c in turn.tool_calls for part in (c.id, c.name))]
    if wrong := [each for each in texts if not isinstance(each, str)]:
        raise TypeError(f"{wrong[0]!r} where a text should be")
    ids = [call.id for call in turn.tool_calls]
    if len(set(ids)) < len(ids):
        raise ValueError("several calls with the same id, so nobody knows whose a result is")
    used = turn.usage
    cached = (used.cache_read_tokens, used.cache_write_tokens)
    for each in (used.input_tokens, used.output_tokens, *cached):
        if not isinstance(each, int) or each < 0:
            raise ValueError(f"{each!r} where a number of tokens should be")
    # What was cached is a part of the input, whatever it says.
    return replace(turn, usage=replace(used, input_tokens=max(used.input_tokens, sum(cached))))


def _apart(messages: Sequence[Message]) -> tuple[str, Sequence[Message]]:
    """The system message, and all others."""
    if messages and messages[0].role == "system":
        return messages[0].text, messages[1:]
    return "", messages


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())


def _request_id(response: httpx2.Response) -> str | None:
    return response.headers.get("request-id") or response.headers.get("x-request-id")
