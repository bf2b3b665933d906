"""What a script sees of a request and what it may answer, in no provider's words."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import jiter

from tests.fakes.model_server.faults import Fault

# Why a reply stops before the model was done.
Stop = Literal["cut", "refused", "window", "paused"]


@dataclass(frozen=True)
class Call:
    """A tool call; arguments given as text are sent as they are, so they may be broken JSON."""

    name: str
    arguments: Any = field(default_factory=dict)

    @property
    def text(self) -> str:
        if isinstance(self.arguments, str):
            return self.arguments
        return json.dumps(self.arguments, ensure_ascii=False)

    @property
    def value(self) -> Any:
        """The arguments where a protocol has them as JSON: of cut ones the whole pairs."""
        if not isinstance(self.arguments, str):
            return self.arguments
        try:
            return jiter.from_json(self.arguments.encode(), partial_mode=True)
        except ValueError:
            return {}


@dataclass(frozen=True)
class Reply:
    """A model's turn: thoughts, then words, then calls."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    thinking: str = ""
    stop: Stop | None = None
    # Seconds before the first byte: a slow model.
    delay: float = 0.0
    # Says more than the request's token limit allows, as no real model does.
    unlimited: bool = False
    # Fields of the reported usage that are lies, in the provider's own words.
    false_usage: Mapping[str, Any] | None = None
    # What goes wrong before or while this reply is sent.
    fault: Fault | None = None


@dataclass(frozen=True)
class Result:
    """What came of one tool call, as the request tells it."""

    call_id: str
    text: str
    error: bool = False


@dataclass(frozen=True)
class Ask:
    """A request as a script sees it.

    `turn` counts a conversation's turns from 1, also after its beginning was compacted away;
    `number` counts the requests to the scenario's address from 1, retries and faults included.
    """

    protocol: str
    model: str
    body: Mapping[str, Any]
    turn: int
    system: str
    # The first and the last words of the user.
    prompt: str
    said: str
    # Of the tool calls of the turn before.
    results: tuple[Result, ...]
    # The tools on offer with their arguments' schemas, and the one that must be called.
    tools: Mapping[str, Mapping[str, Any]]
    forced: str | None
    # JSON schema of the answer that is asked for.
    schema: Mapping[str, Any] | None
    limit: int | None
    stream: bool
    number: int = 0


Script = Callable[[Ask], Reply | Fault]


def says(text: str = "", *calls: tuple[str, Any], thinking: str = "") -> Reply:
    """A reply with these calls, given as (tool, arguments)."""
    return Reply(text, tuple(Call(name, arguments) for name, arguments in calls), thinking)


def call_id(prefix: str, turn: int, index: int) -> str:
    """Ids carry the turn, so that it is known even when only the last turns are sent."""
    return f"{prefix}_{turn:04d}_{index}"


def turn_of(identifier: object) -> int:
    """The turn that an id of `call_id` was given in, else 0."""
    parts = str(identifier).split("_")
    return int(parts[1]) if len(parts) == 3 and parts[1].isdigit() else 0
