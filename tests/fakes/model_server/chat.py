"""The Chat Completions protocol, in OpenAI's and in DeepSeek's dialect."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.fakes.model_server import openai_words
from tests.fakes.model_server.faults import Fault
from tests.fakes.model_server.limits import Standing
from tests.fakes.model_server.prompt_cache import Input, PrefixCache, Segment, dumped
from tests.fakes.model_server.replies import Ask, Result, call_id, turn_of
from tests.fakes.model_server.wire import Body, Draft, Event, Stream, pieces, require, texts

FINISHES = {"cut": "length", "window": "length", "refused": "content_filter"}


class Chat:
    name = "chat"

    def provider(self, model: str) -> str:
        return openai_words.provider_of(model)

    def check(self, body: Body, headers: Mapping[str, str]) -> None:
        require("model" in body, "you must provide a model parameter")
        require(body.get("messages"), "Missing required parameter: 'messages'.")
        _check_pairs(body["messages"])
        if self.provider(body["model"]) == "deepseek" and self.thinks(body):
            for message in body["messages"]:
                require(
                    not message.get("tool_calls") or "reasoning_content" in message,
                    "Missing `reasoning_content` field in the assistant message with tool calls.",
                )

    def thinks(self, body: Body) -> bool:
        """DeepSeek's models do unless told otherwise; OpenAI's never show it here."""
        kind = (body.get("thinking") or {}).get("type", "enabled")
        return self.provider(body["model"]) == "deepseek" and kind != "disabled"

    def ask(self, body: Body) -> Ask:
        messages = body["messages"]
        answers = [message for message in messages if message["role"] == "assistant"]
        calls = [
            turn_of(call["id"]) for message in answers for call in message.get("tool_calls") or ()
        ]
        results: list[Result] = []
        for message in reversed(messages):
            if message["role"] != "tool":
                break
            results.insert(0, Result(message["tool_call_id"], texts(message["content"])))
        users = [message for message in messages if message["role"] == "user"]
        system = [message for message in messages if message["role"] in ("system", "developer")]
        choice = body.get("tool_choice")
        forced = choice["function"]["name"] if isinstance(choice, Mapping) else None
        response_format = body.get("response_format") or {}
        return Ask(
            protocol=self.name,
            model=body["model"],
            body=body,
            turn=1 + max(len(answers), *calls, 0),
            system="\n".join(texts(message["content"]) for message in system),
            prompt=texts(users[0]["content"]) if users else "",
            said=texts(users[-1]["content"]) if users else "",
            results=tuple(results),
            tools={
                tool["function"]["name"]: tool["function"].get("parameters") or {}
                for tool in body.get("tools") or ()
            },
            forced=forced,
            schema=(response_format.get("json_schema") or {}).get("schema"),
            limit=body.get("max_completion_tokens", body.get("max_tokens")),
            stream=bool(body.get("stream")),
        )

    def segments(self, body: Body) -> list[Segment]:
        found = [Segment(b"tool" + dumped(tool)) for tool in body.get("tools") or ()]
        return found + [Segment(dumped(message)) for message in body["messages"]]

    def count(self, cache: PrefixCache, account: str, body: Body, segments: list[Segment]) -> Input:
        return openai_words.count(cache, account, body, segments)

    def reported(self, draft: Draft) -> dict[str, Any]:
        used = draft.used
        truth: dict[str, Any] = {
            "prompt_tokens": used.total,
            "completion_tokens": draft.output_tokens,
            "total_tokens": used.total + draft.output_tokens,
            "prompt_tokens_details": {"cached_tokens": used.read},
            "completion_tokens_details": {"reasoning_tokens": draft.thinking_tokens},
        }
        if self.provider(draft.ask.model) == "deepseek":
            truth["prompt_cache_hit_tokens"] = used.read
            truth["prompt_cache_miss_tokens"] = used.total - used.read
        elif openai_words.writes_cost(draft.ask.model):
            truth["prompt_tokens_details"]["cache_write_tokens"] = used.written
        return draft.usage(truth)

    def whole(self, draft: Draft) -> dict[str, Any]:
        reply = draft.reply
        message: dict[str, Any] = {"role": "assistant", "content": self._text(draft)}
        if self.thinks(draft.ask.body):
            message["reasoning_content"] = reply.thinking
        if reply.calls:
            message["tool_calls"] = self._calls(draft)
        choice = {"index": 0, "message": message, "finish_reason": self._finish(draft)}
        return {
            **self._frame(draft, "chat.completion"),
            "choices": [{**choice, "logprobs": None}],
            "usage": self.reported(draft),
        }

    def unfinished(self, whole: dict[str, Any]) -> dict[str, Any]:
        [choice] = whole["choices"]
        return {**whole, "choices": [{**choice, "finish_reason": None}], "usage": None}

    def stream(self, draft: Draft) -> Stream:
        reply = draft.reply
        frame = self._frame(draft, "chat.completion.chunk")

        def chunk(delta: Mapping[str, Any], finish: str | None = None) -> Event:
            choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
            return Event(None, {**frame, "choices": [choice]})

        opening: dict[str, Any] = {"role": "assistant", "content": ""}
        if self.thinks(draft.ask.body):
            opening = {"role": "assistant", "content": None, "reasoning_content": ""}
        events = [chunk(opening)]
        events += [chunk({"reasoning_content": part}) for part in pieces(reply.thinking)]
        events += [chunk({"content": part}) for part in pieces(self._text(draft) or "")]
        for index, call in enumerate(self._calls(draft)):
            function = call["function"]
            start = {**call, "index": index, "function": {**function, "arguments": ""}}
            events.append(chunk({"tool_calls": [start]}))
            for part in pieces(function["arguments"]):
                more = {"index": index, "function": {"arguments": part}}
                events.append(chunk({"tool_calls": [more]}))
        end = [chunk({}, self._finish(draft))]
        if (draft.ask.body.get("stream_options") or {}).get("include_usage"):
            end.append(Event(None, {**frame, "choices": [], "usage": self.reported(draft)}))
        return Stream(events, [*end, Event(None, "[DONE]")])

    def error(self, fault: Fault, request_id: str) -> dict[str, Any]:
        return openai_words.error(fault)

    def error_events(self, fault: Fault, draft: Draft, position: int) -> list[Event]:
        return [Event(None, openai_words.error(fault))]

    def headers(self, request_id: str, standing: Mapping[str, Standing]) -> dict[str, str]:
        return openai_words.headers(request_id, standing)

    def _frame(self, draft: Draft, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{draft.serial:08d}",
            "object": kind,
            "created": draft.created,
            "model": draft.ask.model,
        }

    def _text(self, draft: Draft) -> str | None:
        return draft.reply.text or (None if draft.reply.calls else "")

    def _calls(self, draft: Draft) -> list[dict[str, Any]]:
        return [
            {
                "id": call_id("call", draft.ask.turn, index),
                "type": "function",
                "function": {"name": call.name, "arguments": call.text},
            }
            for index, call in enumerate(draft.reply.calls)
        ]

    def _finish(self, draft: Draft) -> str:
        if draft.reply.stop:
            return FINISHES[draft.reply.stop]
        return "tool_calls" if draft.reply.calls else "stop"


def _check_pairs(messages: Sequence[Mapping[str, Any]]) -> None:
    """Each call is answered by one of the tool messages that follow it at once."""
    waiting: set[str] = set()
    for message in messages:
        if message["role"] == "tool":
            answered = message["tool_call_id"]
            require(
                answered in waiting,
                "Messages with role 'tool' must be a response to a preceding message with "
                f"'tool_calls': {answered}",
            )
            waiting.discard(answered)
            continue
        _require_none(waiting)
        if message["role"] == "assistant":
            waiting = {call["id"] for call in message.get("tool_calls") or ()}
    _require_none(waiting)


def _require_none(waiting: set[str]) -> None:
    require(
        not waiting,
        "An assistant message with 'tool_calls' must be followed by tool messages responding to "
        f"each 'tool_call_id'. Missing: {', '.join(sorted(waiting))}",
    )
