"""The connectors `claude` and `claude2`: Anthropic's Messages API."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, cast

import httpx2
from anthropic import Anthropic

from conductor_app.tool_specs import ToolSpec
from workers.connectors import clients
from workers.connectors.assignment import Assignment
from workers.connectors.faults import Truncated
from workers.connectors.live import Answer, Json, Lines, LiveConnector, arguments_of
from workers.turns import Message, Stop, ToolCall, Turn, Usage

# Marks an assistant's message as one of this API's.
_WORDS = "messages"
_THOUGHTS = ("thinking", "redacted_thinking")
_MARK = {"cache_control": {"type": "ephemeral"}}
_STOPS: dict[str, Stop] = {
    "max_tokens": "cut",
    "model_context_window_exceeded": "cut",
    "refusal": "refused",
    "pause_turn": "paused",
}
# By the kind of a delta: its field, and the block's field that grows by it.
_GROWING = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("signature", "signature"),
    "input_json_delta": ("partial_json", "input"),
}


class ClaudeConnector(LiveConnector):
    """Claude, in one role or the other: only the settings differ."""

    def wire(self, message: Message) -> list[Json]:
        if message.role == "assistant":
            content = _said(message)
            return [{"role": "assistant", "content": content}] if content else []
        content = [
            {
                "type": "tool_result",
                "tool_use_id": result.call_id,
                "content": result.text,
                "is_error": not result.ok,
            }
            for result in message.results
        ]
        if message.text:
            content.append({"type": "text", "text": message.text})
        return [{"role": "user", "content": content}]

    def request(self, system: str, wires: Sequence[Json], tools: Sequence[ToolSpec]) -> Json:
        effort = self.settings.effort
        return {
            "model": self.model,
            "max_tokens": self.max_output_tokens,
            "system": [{"type": "text", "text": system, **_MARK}] if system else [],
            "tools": _tools(tools),
            "messages": _with_marks(_taking_turns(wires)),
            **({"output_config": {"effort": effort}} if effort else {}),
        }

    def answer(self, request: Json, timeout: httpx2.Timeout) -> AbstractContextManager[Answer]:
        client = clients.of(self.settings, _client)
        stream = client.messages.create(**request, stream=True, timeout=timeout)
        return cast(AbstractContextManager[Answer], stream)

    def read(self, events: Iterable[Any], lines: Lines) -> Turn:
        reading = _Reading(lines)
        for event in events:
            reading.take(event)
        return reading.turn()


def open_claude(assignment: Assignment) -> ClaudeConnector:
    """Raises AttemptFailed without a key."""
    settings = assignment.model_settings("claude")
    clients.require_key(settings)
    return ClaudeConnector(settings, assignment.conversation)


def open_claude2(assignment: Assignment) -> ClaudeConnector:
    """Raises AttemptFailed without a key."""
    settings = assignment.model_settings("claude2")
    clients.require_key(settings)
    return ClaudeConnector(settings, assignment.conversation)


def _client(key: str, base_url: str, http: httpx2.Client) -> Anthropic:
    # Waiting is a row in the database: nothing is tried again here. Spans are Conductor's own.
    return Anthropic(
        api_key=key, base_url=base_url, max_retries=0, http_client=http, open_telemetry=False
    )


class _Reading:
    """A stream so far."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._blocks: dict[int, Json] = {}
        # What a block's growing field gets, in pieces: long ones come in very many.
        self._pieces: dict[tuple[int, str], list[str]] = {}
        self._usage: Json = {}
        self._model = ""
        self._stop: str | None = None
        self._category: str | None = None
        self._complete = False

    def take(self, event: Any) -> None:
        match event.type:
            case "message_start":
                self._model = event.message.model
                self._usage = event.message.usage.to_dict(warnings=False)
            case "content_block_start":
                self._blocks[event.index] = event.content_block.to_dict(warnings=False)
            case "content_block_delta":
                self._grow(event.index, event.delta)
            case "content_block_stop":
                self._lines.end()
            case "message_delta":
                self._stop = event.delta.stop_reason or self._stop
                self._category = getattr(event.delta.stop_details, "category", None)
                told = event.usage.to_dict(warnings=False) if event.usage else {}
                self._usage |= {name: each for name, each in told.items() if each is not None}
            case "message_stop":
                self._complete = True

    def turn(self) -> Turn:
        """Raises Truncated."""
        if not self._complete or self._stop is None:
            raise Truncated
        blocks = [self._block(index) for index in sorted(self._blocks)]
        wanted = [block for block in blocks if block["type"] == "tool_use"]
        # The calls of a turn that ended otherwise are not carried out, so they can't be sent back.
        calls = wanted if self._stop == "tool_use" else []
        kept = [block for block in blocks if block["type"] != "text" or block["text"].strip()]
        return Turn(
            text=self._text(blocks),
            tool_calls=tuple(ToolCall(c["id"], c["name"], c["input"]) for c in calls),
            usage=_usage(self._usage),
            model=self._model,
            stop=_STOPS.get(self._stop, "done"),
            raw={_WORDS: kept} if len(calls) == len(wanted) and _goes_back(kept) else None,
        )

    def _grow(self, index: int, delta: Any) -> None:
        if delta.type == "citations_delta":
            self._blocks[index].setdefault("citations", []).append(
                delta.citation.to_dict(warnings=False)
            )
            return
        if delta.type not in _GROWING:
            # Newer than this: what it adds to is no less for that.
            return
        source, field = _GROWING[delta.type]
        piece = getattr(delta, source)
        self._pieces.setdefault((index, field), []).append(piece)
        if field == "text":
            self._lines.add(piece)
        else:
            self._lines.count(piece)

    def _block(self, index: int) -> Json:
        block = self._blocks[index]
        for (of, field), pieces in self._pieces.items():
            if of == index:
                text = "".join(pieces)
                block[field] = arguments_of(text) if field == "input" else block[field] + text
        return block

    def _text(self, blocks: Sequence[Json]) -> str:
        text = "\n".join(block["text"] for block in blocks if block["type"] == "text")
        if self._stop == "refusal" and not text:
            return f"refused ({self._category or 'without a reason'})"
        return text


def _goes_back(blocks: Sequence[Json]) -> bool:
    """Whether the API takes them: thoughts are not the last of what was said, and are signed."""
    unsigned = any(each["type"] == "thinking" and not each.get("signature") for each in blocks)
    return bool(blocks) and blocks[-1]["type"] not in _THOUGHTS and not unsigned


def _said(message: Message) -> list[Json]:
    """An assistant's content: as it was, where it was this API's."""
    if isinstance(message.raw, dict) and _WORDS in message.raw:
        return [_sendable(block) for block in message.raw[_WORDS]]
    content: list[Json] = []
    if message.text.strip():
        content.append({"type": "text", "text": message.text})
    return content + [
        _sendable({"type": "tool_use", "id": c.id, "name": c.name, "input": c.arguments})
        for c in message.tool_calls
    ]


def _sendable(block: Json) -> Json:
    """Arguments that were no JSON can't go back as they were; the result says what was wrong."""
    if block["type"] == "tool_use" and not isinstance(block["input"], dict):
        return {**block, "input": {}}
    return block


def _tools(tools: Sequence[ToolSpec]) -> list[Json]:
    told: list[Json] = [
        {"name": tool.name, "description": tool.description, "input_schema": dict(tool.schema)}
        for tool in tools
    ]
    return [*told[:-1], {**told[-1], **_MARK}] if told else []


def _taking_turns(wires: Sequence[Json]) -> list[Json]:
    """One message where several of the user's follow each other: results must be in the next one.

    An answer that paused and what goes on from it stay as they were.
    """
    merged: list[Json] = []
    for wire in wires:
        if merged and merged[-1]["role"] == wire["role"] == "user":
            content = [*merged[-1]["content"], *wire["content"]]
            merged[-1] = {"role": "user", "content": content}
        else:
            merged.append(wire)
    return merged


def _with_marks(messages: list[Json]) -> list[Json]:
    """Up to where it may be cached: the end, for the next turn, and where the last one ended."""
    ends = [n for n, message in enumerate(messages) if message["role"] == "user"][-2:]
    for n in ends:
        *others, last = messages[n]["content"]
        messages[n] = {"role": "user", "content": [*others, {**last, **_MARK}]}
    return messages


def _usage(used: Json) -> Usage:
    """Their `input_tokens` are only those that no cache had to do with."""
    read = used.get("cache_read_input_tokens") or 0
    written = used.get("cache_creation_input_tokens") or 0
    return Usage(
        input_tokens=used["input_tokens"] + read + written,
        output_tokens=used["output_tokens"],
        cache_read_tokens=read,
        cache_write_tokens=written,
    )
