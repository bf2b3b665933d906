"""What the providers' protocols share: drafts of replies, events, rejections, clipping."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from tests.fakes.model_server.faults import Fault
from tests.fakes.model_server.limits import Standing
from tests.fakes.model_server.prompt_cache import (
    BYTES_PER_TOKEN,
    Input,
    PrefixCache,
    Segment,
    tokens_in,
)
from tests.fakes.model_server.replies import Ask, Call, Reply

# The pieces of a block in a stream: this many bytes each, but at least and at most so many pieces.
PIECE, FEWEST, MOST = 24, 4, 64

Body = Mapping[str, Any]


class Rejected(Exception):
    """A request that breaks the protocol's rules; nothing is generated and nothing billed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    @property
    def fault(self) -> Fault:
        return Fault("rejected", self.status, self.message)


def require(condition: object, message: str, status: int = 400) -> None:
    if not condition:
        raise Rejected(status, message)


@dataclass(frozen=True)
class Draft:
    """A reply on its way into a protocol's words."""

    ask: Ask
    reply: Reply
    used: Input
    request_id: str
    # Unlike any other reply's of this server.
    serial: int
    created: int

    @property
    def output_tokens(self) -> int:
        """None are generated where the request only warms the cache."""
        return output_tokens(self.reply) if self.ask.limit != 0 else 0

    @property
    def thinking_tokens(self) -> int:
        return tokens_in(self.reply.thinking)

    def usage(self, truth: dict[str, Any]) -> dict[str, Any]:
        """The usage that the client is told."""
        lies = self.reply.false_usage or {}
        return {name: lies.get(name, value) for name, value in truth.items()}


@dataclass(frozen=True)
class Event:
    """One server-sent event; `name` is None where the protocol gives none."""

    name: str | None
    data: Any

    def encode(self) -> bytes:
        head = f"event: {self.name}\n" if self.name else ""
        text = self.data if isinstance(self.data, str) else json.dumps(self.data)
        return f"{head}data: {text}\n\n".encode()


@dataclass(frozen=True)
class Stream:
    """A reply's events, and those that say it is whole."""

    content: Sequence[Event]
    end: Sequence[Event]

    @property
    def events(self) -> list[Event]:
        return [*self.content, *self.end]


class Wire(Protocol):
    """One provider's protocol, between its words and ours."""

    name: str

    def provider(self, model: str) -> str:
        """Whose price list counts."""
        ...

    def check(self, body: Body, headers: Mapping[str, str]) -> None:
        """Raises Rejected."""
        ...

    def thinks(self, body: Body) -> bool:
        """Whether the model is to think before it answers."""
        ...

    def ask(self, body: Body) -> Ask: ...

    def segments(self, body: Body) -> list[Segment]: ...

    def count(
        self, cache: PrefixCache, account: str, body: Body, segments: list[Segment]
    ) -> Input: ...

    def whole(self, draft: Draft) -> dict[str, Any]: ...

    def unfinished(self, whole: dict[str, Any]) -> dict[str, Any]:
        """The same without a word about its end."""
        ...

    def stream(self, draft: Draft) -> Stream: ...

    def reported(self, draft: Draft) -> dict[str, Any]:
        """The usage in the provider's words, as the client is told."""
        ...

    def error(self, fault: Fault, request_id: str) -> dict[str, Any]: ...

    def error_events(self, fault: Fault, draft: Draft, position: int) -> list[Event]:
        """What a stream says of it after `position` events."""
        ...

    def headers(self, request_id: str, standing: Mapping[str, Standing]) -> dict[str, str]: ...


def output_tokens(reply: Reply) -> int:
    """At least one, for the end of the turn is generated as well."""
    calls = sum(tokens_in(call.name + call.text) for call in reply.calls)
    return max(tokens_in(reply.thinking) + tokens_in(reply.text) + calls, 1)


def clipped(reply: Reply, limit: int | None) -> Reply:
    """The reply as far as `limit` tokens reach."""
    if limit is None or reply.unlimited or output_tokens(reply) <= limit:
        return reply
    thinking = first(reply.thinking, limit)
    left = limit - tokens_in(thinking)
    text = first(reply.text, left)
    left -= tokens_in(text)
    calls = []
    for call in reply.calls:
        if left < tokens_in(call.name):
            break
        arguments = first(call.text, left - tokens_in(call.name))
        calls.append(call if arguments == call.text else Call(call.name, arguments))
        left -= tokens_in(call.name) + tokens_in(arguments)
    return replace(reply, text=text, thinking=thinking, calls=tuple(calls), stop="cut")


def first(text: str, tokens: int) -> str:
    """The beginning of `text` that is worth so many tokens."""
    return text.encode()[: max(tokens, 0) * BYTES_PER_TOKEN].decode(errors="ignore")


def pieces(text: str) -> Iterator[str]:
    size = max(min(PIECE, len(text) // FEWEST), len(text) // MOST, 1)
    return (text[start : start + size] for start in range(0, len(text), size))


def texts(content: Any) -> str:
    """The words in a message's content, which is a text or a list of parts."""
    if isinstance(content, str):
        return content
    parts: Iterable[Any] = content or ()
    return "\n".join(str(part["text"]) for part in parts if "text" in part)
