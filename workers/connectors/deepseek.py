"""The connector `deepseek`: Chat Completions with DeepSeek's thoughts beside the answer."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, cast

import httpx2

from conductor_app.tool_specs import ToolSpec
from workers.connectors import clients
from workers.connectors.assignment import Assignment
from workers.connectors.codex import openai_client
from workers.connectors.faults import Failed, Fault, Truncated
from workers.connectors.live import Answer, Json, Lines, LiveConnector, arguments_of, arguments_text
from workers.turns import Message, Stop, ToolCall, Turn, Usage

# Marks an assistant's message as one of this API's.
_WORDS = "chat"
_STOPS: dict[str, Stop] = {"length": "cut", "content_filter": "refused"}
# It knows three efforts, and none is a matter of its own.
_EFFORTS = {"low": "low", "medium": "high", "high": "high", "xhigh": "max", "max": "max"}


class DeepSeekConnector(LiveConnector):
    """A model of DeepSeek's."""

    def wire(self, message: Message) -> list[Json]:
        if message.role == "assistant":
            return _said(message)
        told: list[Json] = [
            {"role": "tool", "tool_call_id": result.call_id, "content": result.text}
            for result in message.results
        ]
        if message.text:
            told.append({"role": "user", "content": message.text})
        return told

    def request(self, system: str, wires: Sequence[Json], tools: Sequence[ToolSpec]) -> Json:
        before: list[Json] = [{"role": "system", "content": system}] if system else []
        return {
            "model": self.model,
            "messages": [*before, *wires],
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": tool.name,
                        "description": tool.description,
                        "parameters": dict(tool.schema),
                    },
                }
                for tool in tools
            ],
            "max_tokens": self.max_output_tokens,
            "stream_options": {"include_usage": True},
            "extra_body": self._thinking(),
        }

    def answer(self, request: Json, timeout: httpx2.Timeout) -> AbstractContextManager[Answer]:
        client = clients.of(self.settings, openai_client)
        stream = client.chat.completions.create(**request, stream=True, timeout=timeout)
        return cast(AbstractContextManager[Answer], stream)

    def read(self, events: Iterable[Any], lines: Lines) -> Turn:
        reading = _Reading(lines)
        for chunk in events:
            reading.take(chunk)
        return reading.turn()

    def _thinking(self) -> Json:
        """It thinks unless told otherwise."""
        effort = self.settings.effort
        if effort == "none":
            return {"thinking": {"type": "disabled"}}
        return {"reasoning_effort": _EFFORTS[effort]} if effort else {}


def open_deepseek(assignment: Assignment) -> DeepSeekConnector:
    """Raises AttemptFailed without a key."""
    settings = assignment.model_settings("deepseek")
    clients.require_key(settings)
    return DeepSeekConnector(settings, assignment.conversation)


class _Reading:
    """A stream so far."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._text: list[str] = []
        self._thoughts: list[str] = []
        self._calls: dict[int, tuple[Json, list[str]]] = {}
        self._model = ""
        self._finish: str | None = None
        self._usage: Usage | None = None

    def take(self, chunk: Any) -> None:
        self._model = chunk.model or self._model
        if chunk.usage is not None:
            self._usage = _usage(chunk.usage)
        for choice in chunk.choices:
            self._finish = choice.finish_reason or self._finish
            self._grow(choice.delta)

    def turn(self) -> Turn:
        """Raises Truncated, Failed."""
        if self._finish is None or self._usage is None:
            raise Truncated
        if self._finish == "insufficient_system_resource":
            raise Failed(Fault("it had not enough resources to finish the answer"))
        # The calls of a turn that ended otherwise are not carried out, so they can't be sent back.
        wanted = [self._call(index) for index in sorted(self._calls)]
        calls = wanted if self._finish == "tool_calls" else []
        text = "".join(self._text)
        raw = {
            "role": "assistant",
            "content": text,
            "reasoning_content": "".join(self._thoughts),
            **({"tool_calls": calls} if calls else {}),
        }
        return Turn(
            text=text,
            tool_calls=tuple(
                ToolCall(c["id"], c["function"]["name"], arguments_of(c["function"]["arguments"]))
                for c in calls
            ),
            usage=self._usage,
            model=self._model,
            stop=_STOPS.get(self._finish, "done"),
            raw={_WORDS: raw} if len(calls) == len(wanted) and (text or calls) else None,
        )

    def _grow(self, delta: Any) -> None:
        # The SDK does not know this field, so it is among the extras.
        if thoughts := getattr(delta, "reasoning_content", None):
            self._thoughts.append(thoughts)
            self._lines.count(thoughts)
        if delta.content:
            self._text.append(delta.content)
            self._lines.add(delta.content)
        for part in delta.tool_calls or ():
            call, pieces = self._calls.setdefault(part.index, ({}, []))
            call["id"] = part.id or call.get("id")
            if part.function is not None:
                call["name"] = part.function.name or call.get("name")
                pieces.append(part.function.arguments or "")
                self._lines.count(pieces[-1])

    def _call(self, index: int) -> Json:
        call, pieces = self._calls[index]
        return {
            "id": call["id"],
            "type": "function",
            "function": {"name": call["name"], "arguments": "".join(pieces)},
        }


def _said(message: Message) -> list[Json]:
    """An assistant's message: as it was, where it was this API's."""
    if isinstance(message.raw, dict) and _WORDS in message.raw:
        return [message.raw[_WORDS]]
    if not message.text and not message.tool_calls:
        return []
    said: Json = {"role": "assistant", "content": message.text}
    if message.tool_calls:
        # With calls the thoughts must come back, even where there were none.
        said["reasoning_content"] = ""
        said["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": arguments_text(call.arguments)},
            }
            for call in message.tool_calls
        ]
    return [said]


def _usage(used: Any) -> Usage:
    read = getattr(used, "prompt_cache_hit_tokens", None)
    if read is None:
        read = getattr(used.prompt_tokens_details, "cached_tokens", None)
    return Usage(
        input_tokens=used.prompt_tokens,
        output_tokens=used.completion_tokens,
        cache_read_tokens=read or 0,
    )
