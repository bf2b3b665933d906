"""Reads from an answer, as it streams by, what it took, whether it is whole and why it is not."""

import json
from abc import ABC, abstractmethod
from typing import Any

from workers.connectors.programs.report import count, entry
from workers.sandbox.lines import LineBuffer
from workers.turns import Usage


def messages_usage(of: dict[str, Any]) -> Usage | None:
    """Of the Messages protocol, whose `input_tokens` are without what the cache had or got."""
    if not _told(of):
        return None
    read = count(of, "cache_read_input_tokens")
    written = count(of, "cache_creation_input_tokens")
    return Usage(
        input_tokens=count(of, "input_tokens") + read + written,
        output_tokens=count(of, "output_tokens"),
        cache_read_tokens=read,
        cache_write_tokens=written,
    )


def responses_usage(of: dict[str, Any]) -> Usage | None:
    """Of the Responses protocol, whose `input_tokens` are all of them."""
    if not _told(of):
        return None
    details = entry(of, "input_tokens_details")
    return Usage(
        input_tokens=count(of, "input_tokens"),
        output_tokens=count(of, "output_tokens"),
        cache_read_tokens=count(details, "cached_tokens"),
        cache_write_tokens=count(details, "cache_write_tokens"),
    )


def _told(of: dict[str, Any]) -> bool:
    """Whether both figures are there: what is left out was not free."""
    names = ("input_tokens", "output_tokens")
    return all(type(of.get(name)) is int and of[name] == count(of, name) for name in names)


class UsageReader(ABC):
    """Given an answer piece by piece; extend it with what a protocol's events mean.

    `ended` is whether the provider has said that it is whole, `usage` what it took, as far as it
    said that too; `error` is what it said in the answer's middle of why it failed, else empty.
    """

    def __init__(self, *, streamed: bool) -> None:
        self.ended = False
        self.usage: Usage | None = None
        self.error: dict[str, Any] = {}
        self._streamed = streamed
        self._lines = LineBuffer()
        self._body = bytearray()

    def add(self, data: bytes) -> None:
        if not self._streamed:
            self._body += data
            return
        for line in self._lines.add(data):
            if line.startswith("data:"):
                event = _object(line.removeprefix("data:"))
                self.error = _error_of(event) or self.error
                self.event(event)

    def end(self) -> None:
        if not self._streamed:
            answer = _object(self._body.decode("utf-8", "replace"))
            self.ended = bool(answer)
            self.whole(answer)

    @abstractmethod
    def event(self, event: dict[str, Any]) -> None:
        """Of an answer that is streamed."""

    @abstractmethod
    def whole(self, answer: dict[str, Any]) -> None:
        """Of one that comes at once."""


class MessagesReader(UsageReader):
    """The figures of `message_start` and `message_delta` replace each other, they do not add up."""

    def __init__(self, *, streamed: bool) -> None:
        super().__init__(streamed=streamed)
        self._figures: dict[str, Any] = {}

    def event(self, event: dict[str, Any]) -> None:
        match event.get("type"):
            case "message_start":
                begun = entry(entry(event, "message"), "usage")
                # Of the output it has only begun to know; how much there was is told at the end.
                self._figures |= {name: begun[name] for name in begun if name != "output_tokens"}
            case "message_delta":
                told = entry(event, "usage")
                self._figures |= {name: each for name, each in told.items() if each is not None}
            case "message_stop":
                self.ended = True
                self.usage = messages_usage(self._figures)

    def whole(self, answer: dict[str, Any]) -> None:
        self.usage = messages_usage(entry(answer, "usage"))


class ResponsesReader(UsageReader):
    """A response ends completed, incomplete or failed; only with figures is its usage known."""

    def event(self, event: dict[str, Any]) -> None:
        if event.get("type") in ("response.completed", "response.incomplete", "response.failed"):
            self.ended = True
            self.whole(entry(event, "response"))

    def whole(self, answer: dict[str, Any]) -> None:
        self.error = entry(answer, "error") or self.error
        self.usage = responses_usage(entry(answer, "usage"))


def _error_of(event: dict[str, Any]) -> dict[str, Any]:
    """Some say it in an object of its own, some without a type; empty when it is none."""
    return entry(event, "error") or (event if event.get("type") == "error" else {})


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
