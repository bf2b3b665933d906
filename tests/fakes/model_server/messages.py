"""Anthropic's Messages protocol."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

from tests.fakes.model_server.faults import Fault
from tests.fakes.model_server.limits import Standing
from tests.fakes.model_server.messages_rules import VERSION_WITHOUT_SAMPLING, check_body
from tests.fakes.model_server.prompt_cache import (
    HOUR,
    MINUTES_5,
    Input,
    PrefixCache,
    Segment,
    dumped,
)
from tests.fakes.model_server.replies import Ask, Call, Result, call_id, turn_of
from tests.fakes.model_server.wire import (
    Body,
    Draft,
    Event,
    Stream,
    pieces,
    require,
    texts,
)

VERSIONS = ("2023-06-01", VERSION_WITHOUT_SAMPLING)
ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
STOPS = {
    "cut": "max_tokens",
    "refused": "refusal",
    "window": "model_context_window_exceeded",
    "paused": "pause_turn",
}


def signature(thinking: str) -> str:
    """Only thoughts that come back as they were given are accepted."""
    return "sig" + blake2b(thinking.encode(), digest_size=24).hexdigest()


def blocks(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())


def segment(kind: str, block: Mapping[str, Any]) -> Segment:
    control = block.get("cache_control")
    bare = {name: value for name, value in block.items() if name != "cache_control"}
    return Segment(kind.encode() + dumped(bare), lifetime(control) if control else None)


def lifetime(control: Mapping[str, Any]) -> float:
    return HOUR if control.get("ttl") == "1h" else MINUTES_5


class Messages:
    name = "messages"

    def provider(self, model: str) -> str:
        return "anthropic"

    def check(self, body: Body, headers: Mapping[str, str]) -> None:
        version = headers.get("anthropic-version")
        require(version, "anthropic-version: header is required")
        require(version in VERSIONS, f"anthropic-version: {version} is not a valid version")
        check_body(body, str(version))
        for message in body["messages"]:
            for block in blocks(message["content"]):
                if block.get("type") == "thinking":
                    given = block.get("signature") == signature(block["thinking"])
                    require(given, "Invalid `signature` in `thinking` block")
        marked = [found.ttl for found in self.segments(body) if found.ttl]
        require(len(marked) <= 4, f"A maximum of 4 blocks with cache_control, found {len(marked)}.")
        require(
            marked == sorted(marked, reverse=True),
            "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block",
        )

    def thinks(self, body: Body) -> bool:
        return bool(body.get("thinking")) and body["thinking"]["type"] != "disabled"

    def ask(self, body: Body) -> Ask:
        messages = body["messages"]
        answers = [message for message in messages if message["role"] == "assistant"]
        calls = [
            turn_of(block["id"])
            for message in answers
            for block in blocks(message["content"])
            if block["type"] == "tool_use"
        ]
        users = [message for message in messages if message["role"] == "user"]
        choice = body.get("tool_choice") or {}
        output_format = (body.get("output_config") or {}).get("format") or {}
        return Ask(
            protocol=self.name,
            model=body["model"],
            body=body,
            turn=1 + max(len(answers), *calls, 0),
            system=texts(body.get("system") or ""),
            prompt=texts(users[0]["content"]) if users else "",
            said=texts(users[-1]["content"]) if users else "",
            results=tuple(
                Result(
                    block["tool_use_id"], texts(block.get("content")), bool(block.get("is_error"))
                )
                for block in blocks(messages[-1]["content"])
                if block["type"] == "tool_result"
            ),
            tools={
                tool["name"]: tool.get("input_schema") or {} for tool in body.get("tools") or ()
            },
            forced=choice.get("name"),
            schema=output_format.get("schema"),
            limit=body.get("max_tokens"),
            stream=bool(body.get("stream")),
        )

    def segments(self, body: Body) -> list[Segment]:
        found = [segment("tool", tool) for tool in body.get("tools") or ()]
        found += [segment("system", block) for block in blocks(body.get("system"))]
        for message in body["messages"]:
            start = f"\n{message['role']}"
            for index, block in enumerate(blocks(message["content"])):
                found.append(segment(start if index == 0 else "", block))
        if (control := body.get("cache_control")) and found and not found[-1].ttl:
            found[-1] = Segment(found[-1].data, lifetime(control))
        return found

    def count(self, cache: PrefixCache, account: str, body: Body, segments: list[Segment]) -> Input:
        return cache.at_breakpoints((account, body["model"]), segments)

    def reported(self, draft: Draft) -> dict[str, Any]:
        used = draft.used
        return draft.usage(
            {
                "input_tokens": used.uncached,
                "cache_creation_input_tokens": used.written,
                "cache_read_input_tokens": used.read,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": used.write_5m,
                    "ephemeral_1h_input_tokens": used.write_1h,
                },
                "output_tokens": draft.output_tokens,
                "output_tokens_details": {"thinking_tokens": draft.thinking_tokens},
                "service_tier": "standard",
            }
        )

    def whole(self, draft: Draft) -> dict[str, Any]:
        reply = draft.reply
        content: list[dict[str, Any]] = [
            {**block, **filling} for block, filling, _ in self._content(draft)
        ]
        return {
            **self._frame(draft),
            "content": content,
            "stop_reason": self._stop_reason(draft),
            "stop_details": self._stop_details(draft) if reply.stop == "refused" else None,
        }

    def unfinished(self, whole: dict[str, Any]) -> dict[str, Any]:
        return {**whole, "stop_reason": None}

    def stream(self, draft: Draft) -> Stream:
        usage = self.reported(draft)
        frame = self._frame(draft)
        frame["usage"] = {**usage, "output_tokens": min(draft.output_tokens, 1)}
        events = [event("message_start", message=frame)]
        for index, (block, _, deltas) in enumerate(self._content(draft)):
            events.append(event("content_block_start", index=index, content_block=block))
            if index == 0:
                events.append(event("ping"))
            events += [event("content_block_delta", index=index, delta=delta) for delta in deltas]
            events.append(event("content_block_stop", index=index))
        ending: dict[str, Any] = {"stop_reason": self._stop_reason(draft), "stop_sequence": None}
        if draft.reply.stop == "refused":
            ending["stop_details"] = self._stop_details(draft)
        cumulative = {
            name: usage[name] for name in usage if name not in ("cache_creation", "service_tier")
        }
        end = [event("message_delta", delta=ending, usage=cumulative), event("message_stop")]
        return Stream(events, end)

    def error(self, fault: Fault, request_id: str) -> dict[str, Any]:
        error: dict[str, Any] = {
            "type": ERROR_TYPES.get(fault.status or 0, "api_error"),
            "message": fault.message,
        }
        if fault.spend_limit:
            error["details"] = {"error_code": "enforced_spend_limit_reached"}
        return {"type": "error", "error": error, "request_id": request_id}

    def error_events(self, fault: Fault, draft: Draft, position: int) -> list[Event]:
        return [Event("error", self.error(fault, draft.request_id))]

    def headers(self, request_id: str, standing: Mapping[str, Standing]) -> dict[str, str]:
        said = {"request-id": request_id}
        now = datetime.now(UTC)
        for name, limit in standing.items():
            reset = now + timedelta(seconds=limit.reset)
            said[f"anthropic-ratelimit-{name}-limit"] = str(limit.limit)
            said[f"anthropic-ratelimit-{name}-remaining"] = str(limit.remaining)
            said[f"anthropic-ratelimit-{name}-reset"] = f"{reset:%Y-%m-%dT%H:%M:%SZ}"
        return said

    def _frame(self, draft: Draft) -> dict[str, Any]:
        """A message before its first word."""
        return {
            "id": f"msg_{draft.serial:08d}",
            "type": "message",
            "role": "assistant",
            "model": draft.ask.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": self.reported(draft),
        }

    def _content(
        self, draft: Draft
    ) -> list[tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]]:
        """Each block as it starts, what fills it, and the deltas that bring the same."""
        reply, found = draft.reply, []
        thinking = self._shown_thinking(draft)
        if thinking is not None:
            sign = signature(thinking)
            deltas = [{"type": "thinking_delta", "thinking": part} for part in pieces(thinking)]
            deltas.append({"type": "signature_delta", "signature": sign})
            empty = {"type": "thinking", "thinking": "", "signature": ""}
            found.append((empty, {"thinking": thinking, "signature": sign}, deltas))
        if reply.text:
            deltas = [{"type": "text_delta", "text": part} for part in pieces(reply.text)]
            found.append(({"type": "text", "text": ""}, {"text": reply.text}, deltas))
        for index, call in enumerate(reply.calls):
            found.append(self._call(draft.ask.turn, index, call))
        return found

    def _call(
        self, turn: int, index: int, call: Call
    ) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
        deltas = [
            {"type": "input_json_delta", "partial_json": part} for part in ("", *pieces(call.text))
        ]
        identity = {"id": call_id("toolu", turn, index), "name": call.name}
        return {"type": "tool_use", **identity, "input": {}}, {"input": call.value}, deltas

    def _shown_thinking(self, draft: Draft) -> str | None:
        if not draft.reply.thinking:
            return None
        omitted = draft.ask.body["thinking"].get("display") == "omitted"
        return "" if omitted else draft.reply.thinking

    def _stop_reason(self, draft: Draft) -> str:
        if draft.reply.stop:
            return STOPS[draft.reply.stop]
        return "tool_use" if draft.reply.calls else "end_turn"

    def _stop_details(self, draft: Draft) -> dict[str, Any]:
        explanation = "This request was declined."
        return {"type": "refusal", "category": "general_harms", "explanation": explanation}


def event(name: str, **data: Any) -> Event:
    return Event(name, {"type": name, **data})
