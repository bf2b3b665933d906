"""The connector `codex`: OpenAI's Responses API, without anything being kept at OpenAI."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, cast

import httpx2
from openai import OpenAI

from conductor_app.tool_specs import ToolSpec
from workers.connectors import clients
from workers.connectors.assignment import Assignment
from workers.connectors.faults import Failed, Fault, Truncated
from workers.connectors.live import Answer, Json, Lines, LiveConnector, arguments_of, arguments_text
from workers.turns import Message, Stop, ToolCall, Turn, Usage

# Marks an assistant's message as one of this API's.
_WORDS = "responses"
_STOPS: dict[str, Stop] = {"max_output_tokens": "cut", "content_filter": "refused"}


class CodexConnector(LiveConnector):
    """A model of OpenAI's."""

    def wire(self, message: Message) -> list[Json]:
        if message.role == "assistant":
            return _said(message)
        items: list[Json] = [
            {"type": "function_call_output", "call_id": result.call_id, "output": result.text}
            for result in message.results
        ]
        if message.text:
            items.append({"role": "user", "content": message.text})
        return items

    def request(self, system: str, wires: Sequence[Json], tools: Sequence[ToolSpec]) -> Json:
        effort = self.settings.effort
        return {
            "model": self.model,
            "instructions": system,
            "input": list(wires),
            "tools": [
                {
                    "type": "function",
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": dict(tool.schema),
                    # Strict schemas have no optional arguments; the tools check theirs.
                    "strict": False,
                }
                for tool in tools
            ],
            "max_output_tokens": self.max_output_tokens,
            "prompt_cache_key": self.conversation,
            # Nothing is kept there, so the thoughts come along and are sent back.
            "store": False,
            "include": ["reasoning.encrypted_content"],
            **({"reasoning": {"effort": effort}} if effort else {}),
        }

    def answer(self, request: Json, timeout: httpx2.Timeout) -> AbstractContextManager[Answer]:
        client = clients.of(self.settings, openai_client)
        stream = client.responses.create(**request, stream=True, timeout=timeout)
        return cast(AbstractContextManager[Answer], stream)

    def read(self, events: Iterable[Any], lines: Lines) -> Turn:
        items: dict[int, Json] = {}
        for event in events:
            match event.type:
                case "response.output_text.delta":
                    lines.add(event.delta)
                case "response.function_call_arguments.delta":
                    lines.count(event.delta)
                case "response.output_item.done":
                    items[event.output_index] = event.item.to_dict(warnings=False)
                    lines.end()
                case "response.completed" | "response.incomplete":
                    return _turn(event.response, [items[index] for index in sorted(items)])
                case "response.failed":
                    raise _failed(event.response.error)
                case "error":
                    raise _failed(event)
        raise Truncated


def open_codex(assignment: Assignment) -> CodexConnector:
    """Raises AttemptFailed without a key."""
    settings = assignment.model_settings("codex")
    clients.require_key(settings)
    return CodexConnector(settings, assignment.conversation)


def openai_client(key: str, base_url: str, http: httpx2.Client) -> OpenAI:
    """OpenAI's SDK, for whoever speaks its language."""
    # Waiting is a row in the database: nothing is tried again here.
    return OpenAI(api_key=key, base_url=base_url, max_retries=0, http_client=http)


def _turn(response: Any, items: Sequence[Json]) -> Turn:
    why = response.incomplete_details.reason if response.incomplete_details else None
    parts = [
        part for item in items if item["type"] == "message" for part in item.get("content") or ()
    ]
    refusals = [part["refusal"] for part in parts if part["type"] == "refusal"]
    stop: Stop = "refused" if refusals else "done"
    if response.status != "completed":
        stop = _STOPS.get(why or "", "cut")
    wanted = [item for item in items if item["type"] == "function_call"]
    # The calls of a turn that ended otherwise are not carried out, so they can't be sent back.
    calls = wanted if stop == "done" else []
    texts = [part["text"] for part in parts if part["type"] == "output_text"]
    # Thoughts go back with what they led to, or not at all.
    goes_back = bool(items) and items[-1]["type"] != "reasoning" and len(calls) == len(wanted)
    return Turn(
        text="\n".join(texts or refusals),
        tool_calls=tuple(
            ToolCall(item["call_id"], item["name"], arguments_of(item["arguments"]))
            for item in calls
        ),
        usage=_usage(response.usage),
        model=response.model,
        stop=stop,
        raw={_WORDS: list(items)} if goes_back else None,
    )


def _failed(error: Any) -> Failed:
    code = getattr(error, "code", None)
    return Failed(Fault(str(error.message), words=(code,) if code else ()))


def _said(message: Message) -> list[Json]:
    """An assistant's items: as they were, where they were this API's."""
    if isinstance(message.raw, dict) and _WORDS in message.raw:
        return list(message.raw[_WORDS])
    said: list[Json] = [{"role": "assistant", "content": message.text}] if message.text else []
    return said + [
        {
            "type": "function_call",
            "call_id": call.id,
            "name": call.name,
            "arguments": arguments_text(call.arguments),
        }
        for call in message.tool_calls
    ]


def _usage(used: Any) -> Usage:
    of_input = used.input_tokens_details
    return Usage(
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        cache_read_tokens=getattr(of_input, "cached_tokens", None) or 0,
        cache_write_tokens=getattr(of_input, "cache_write_tokens", None) or 0,
    )
