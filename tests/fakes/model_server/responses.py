"""OpenAI's Responses protocol."""

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

from tests.fakes.model_server import openai_words
from tests.fakes.model_server.faults import Fault
from tests.fakes.model_server.limits import Standing
from tests.fakes.model_server.prompt_cache import Input, PrefixCache, Segment, dumped
from tests.fakes.model_server.replies import Ask, Result, call_id, turn_of
from tests.fakes.model_server.responses_rules import check_items, is_call, is_result
from tests.fakes.model_server.wire import Body, Draft, Event, Stream, pieces, require, texts

INCOMPLETE = {"cut": "max_output_tokens", "window": "max_output_tokens"}
Item = dict[str, Any]


def items_of(body: Body) -> list[Item]:
    given = body.get("input") or []
    return [{"role": "user", "content": given}] if isinstance(given, str) else list(given)


def encrypted(thinking: str) -> str:
    return "enc" + blake2b(thinking.encode(), digest_size=24).hexdigest()


def tools_of(body: Body) -> list[Item]:
    """The tools on offer; some programs send them among the input, or in namespaces."""
    listed = list(body.get("tools") or ())
    for item in items_of(body):
        if item.get("type") == "additional_tools":
            listed += item.get("tools") or ()
    spaces = [tool["tools"] for tool in listed if tool.get("type") == "namespace"]
    return listed + [tool for space in spaces for tool in space]


class Responses:
    name = "responses"

    def provider(self, model: str) -> str:
        return openai_words.provider_of(model)

    def check(self, body: Body, headers: Mapping[str, str]) -> None:
        require("model" in body, "Missing required parameter: 'model'.")
        require(body.get("input"), "Missing required parameter: 'input'.")
        earlier = body.get("previous_response_id")
        require(not earlier, f"Previous response with id '{earlier}' not found.", 404)
        check_items(items_of(body), stored=body.get("store", True) is not False)

    def thinks(self, body: Body) -> bool:
        return (body.get("reasoning") or {}).get("effort") != "none"

    def ask(self, body: Body) -> Ask:
        items = items_of(body)
        turns, answering = 0, False
        results: list[Result] = []
        for item in items:
            said_by_model = is_call(item) or item.get("role") == "assistant"
            if said_by_model or item.get("type") == "reasoning":
                turns += not answering
                answering, results = True, []
            else:
                answering = False
                if is_result(item):
                    results.append(Result(item["call_id"], texts(item["output"])))
        calls = [turn_of(item["call_id"]) for item in items if is_call(item)]
        users = [item for item in items if item.get("role") == "user"]
        choice = body.get("tool_choice")
        text_format = (body.get("text") or {}).get("format") or {}
        return Ask(
            protocol=self.name,
            model=body["model"],
            body=body,
            turn=1 + max(turns, *calls, 0),
            system=body.get("instructions") or "",
            prompt=texts(users[0]["content"]) if users else "",
            said=texts(users[-1]["content"]) if users else "",
            results=tuple(results),
            tools={
                tool["name"]: tool.get("parameters") or {}
                for tool in tools_of(body)
                if "name" in tool
            },
            forced=choice.get("name") if isinstance(choice, Mapping) else None,
            schema=text_format.get("schema"),
            limit=body.get("max_output_tokens"),
            stream=bool(body.get("stream")),
        )

    def segments(self, body: Body) -> list[Segment]:
        found = [Segment(b"tool" + dumped(tool)) for tool in body.get("tools") or ()]
        if instructions := body.get("instructions"):
            found.append(Segment(b"system" + instructions.encode()))
        return found + [Segment(dumped(item)) for item in items_of(body)]

    def count(self, cache: PrefixCache, account: str, body: Body, segments: list[Segment]) -> Input:
        return openai_words.count(cache, account, body, segments)

    def reported(self, draft: Draft) -> dict[str, Any]:
        used = draft.used
        return draft.usage(
            {
                "input_tokens": used.total,
                "input_tokens_details": {
                    "cached_tokens": used.read,
                    "cache_write_tokens": used.written,
                },
                "output_tokens": draft.output_tokens,
                "output_tokens_details": {"reasoning_tokens": draft.thinking_tokens},
                "total_tokens": used.total + draft.output_tokens,
            }
        )

    def whole(self, draft: Draft) -> dict[str, Any]:
        reason = INCOMPLETE.get(draft.reply.stop or "")
        return {
            **self._frame(draft),
            "status": "incomplete" if reason else "completed",
            "incomplete_details": {"reason": reason} if reason else None,
            "output": self._output(draft),
            "usage": self.reported(draft),
        }

    def unfinished(self, whole: dict[str, Any]) -> dict[str, Any]:
        return {**whole, "status": "in_progress", "usage": None}

    def stream(self, draft: Draft) -> Stream:
        script = Numbered()
        frame = self._frame(draft)
        script.add("response.created", response=frame)
        script.add("response.in_progress", response=frame)
        for index, item in enumerate(self._output(draft)):
            empty = {**item, "status": "in_progress", **EMPTY[item["type"]]}
            script.add("response.output_item.added", output_index=index, item=empty)
            STREAMED[item["type"]](script, index, item)
            script.add("response.output_item.done", output_index=index, item=item)
        whole = self.whole(draft)
        content = list(script.events)
        script.add(f"response.{whole['status']}", response=whole)
        return Stream(content, script.events[len(content) :])

    def error(self, fault: Fault, request_id: str) -> dict[str, Any]:
        return openai_words.error(fault)

    def error_events(self, fault: Fault, draft: Draft, position: int) -> list[Event]:
        error = openai_words.error(fault)["error"]
        code = error["code"] or error["type"]
        if fault.during == "error-data":
            return [Event("error", {"error": error})]
        script = Numbered(first=position)
        if fault.during == "failed-event":
            failure = {"code": code, "message": fault.message}
            failed = {**self._frame(draft), "status": "failed", "error": failure}
            script.add("response.failed", response=failed)
        else:
            script.add("error", code=code, message=fault.message, param=None)
        return script.events

    def headers(self, request_id: str, standing: Mapping[str, Standing]) -> dict[str, str]:
        return openai_words.headers(request_id, standing)

    def _frame(self, draft: Draft) -> dict[str, Any]:
        """A response before its first item."""
        body = draft.ask.body
        return {
            "id": f"resp_{draft.serial:08d}",
            "object": "response",
            "created_at": draft.created,
            "model": draft.ask.model,
            "status": "in_progress",
            "output": [],
            "error": None,
            "incomplete_details": None,
            "instructions": body.get("instructions"),
            "parallel_tool_calls": body.get("parallel_tool_calls", True),
            "tool_choice": body.get("tool_choice", "auto"),
            "tools": list(body.get("tools") or ()),
            "store": body.get("store", True),
            "usage": None,
        }

    def _output(self, draft: Draft) -> list[Item]:
        reply, turn, found = draft.reply, draft.ask.turn, []
        status = "incomplete" if reply.stop in INCOMPLETE else "completed"
        if reply.thinking:
            wanted = (draft.ask.body.get("reasoning") or {}).get("summary")
            summary = [{"type": "summary_text", "text": reply.thinking}] if wanted else []
            found.append(
                {
                    "type": "reasoning",
                    "id": call_id("rs", turn, 0),
                    "summary": summary,
                    "encrypted_content": encrypted(reply.thinking),
                }
            )
        if reply.text or reply.stop == "refused":
            found.append(self._message(draft, status))
        # A call that came with thoughts is taken back only together with them.
        kind = "fcr" if reply.thinking else "fc"
        free = {tool["name"] for tool in tools_of(draft.ask.body) if tool.get("type") == "custom"}
        for index, call in enumerate(reply.calls):
            last = index == len(reply.calls) - 1
            custom = call.name in free
            found.append(
                {
                    "type": "custom_tool_call" if custom else "function_call",
                    "id": call_id(kind, turn, index),
                    "call_id": call_id("call", turn, index),
                    "name": call.name,
                    "input" if custom else "arguments": call.text,
                    "status": status if last else "completed",
                }
            )
        return found

    def _message(self, draft: Draft, status: str) -> Item:
        text = draft.reply.text or "I can't help with that."
        part: Item = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        if draft.reply.stop == "refused":
            part = {"type": "refusal", "refusal": text}
        identity = call_id("msg", draft.ask.turn, 0)
        message = {"type": "message", "id": identity, "role": "assistant", "status": status}
        phase = "commentary" if draft.reply.calls else "final_answer"
        return {**message, "phase": phase, "content": [part]}


class Numbered:
    """Events that carry their place in the sequence."""

    def __init__(self, first: int = 0) -> None:
        self.events: list[Event] = []
        self._first = first

    def add(self, name: str, **data: Any) -> None:
        number = self._first + len(self.events)
        self.events.append(Event(name, {"type": name, "sequence_number": number, **data}))


def _stream_reasoning(script: Numbered, index: int, item: Item) -> None:
    place = {"item_id": item["id"], "output_index": index, "summary_index": 0}
    for part in item["summary"]:
        kind = "response.reasoning_summary"
        script.add(f"{kind}_part.added", **place, part={**part, "text": ""})
        for piece in pieces(part["text"]):
            script.add(f"{kind}_text.delta", **place, delta=piece)
        script.add(f"{kind}_text.done", **place, text=part["text"])
        script.add(f"{kind}_part.done", **place, part=part)


def _stream_message(script: Numbered, index: int, item: Item) -> None:
    place = {"item_id": item["id"], "output_index": index, "content_index": 0}
    [part] = item["content"]
    field = "refusal" if part["type"] == "refusal" else "text"
    kind = f"response.{part['type']}"
    more: Item = {} if field == "refusal" else {"logprobs": []}
    script.add("response.content_part.added", **place, part={**part, field: ""})
    for piece in pieces(part[field]):
        script.add(f"{kind}.delta", **place, delta=piece, **more)
    script.add(f"{kind}.done", **place, **{field: part[field]}, **more)
    script.add("response.content_part.done", **place, part=part)


def _stream_call(script: Numbered, index: int, item: Item) -> None:
    place = {"item_id": item["id"], "output_index": index}
    kind = "response.function_call_arguments"
    for piece in pieces(item["arguments"]):
        script.add(f"{kind}.delta", **place, delta=piece)
    script.add(f"{kind}.done", **place, arguments=item["arguments"])


def _stream_free_call(script: Numbered, index: int, item: Item) -> None:
    place = {"item_id": item["id"], "output_index": index}
    kind = "response.custom_tool_call_input"
    for piece in pieces(item["input"]):
        script.add(f"{kind}.delta", **place, delta=piece)
    script.add(f"{kind}.done", **place, input=item["input"])


STREAMED: Mapping[str, Callable[[Numbered, int, Item], None]] = {
    "reasoning": _stream_reasoning,
    "message": _stream_message,
    "function_call": _stream_call,
    "custom_tool_call": _stream_free_call,
}
EMPTY: Mapping[str, Item] = {
    "reasoning": {"summary": [], "encrypted_content": None},
    "message": {"content": []},
    "function_call": {"arguments": ""},
    "custom_tool_call": {"input": ""},
}
