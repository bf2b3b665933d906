"""Spans and metrics of work, in the words of OpenTelemetry's conventions for generative AI.

An attempt is `invoke_agent`, each call of a model below it `chat`, each call of a tool
`execute_tool`; the SDKs' own spans are off, so nothing is told twice. What models are told and say
is left out unless the conventions' opt-in is set.
"""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from conductor_app import logs, telemetry
from conductor_app.domain.budget import usd
from conductor_app.domain.outcome import Failed, Outcome
from conductor_app.engine.claim import Claim
from conductor_app.telemetry import Span
from conductor_app.tool_specs import ToolSpec
from workers.agents.base import AgentContext
from workers.suspension import Suspend
from workers.turns import Message, ToolCall, ToolResult, Turn, Usage

Facts = dict[str, Any]
_FINISHED = {
    "done": "stop",
    "paused": "stop",
    "cut": "length",
    "refused": "content_filter",
}
_PORTS = {"https": 443, "http": 80}


class Job:
    """A job while it is carried out."""

    def __init__(self, span: Span, measured: Facts) -> None:
        self._span = span
        self._measured = measured

    def ended(self, outcome: Outcome | None) -> None:
        """None: it was not this worker's any more."""
        word = type(outcome).__name__.lower() if outcome else "lost"
        self._measured["conductor.outcome"] = word
        self._span.set({"conductor.outcome": word})
        if isinstance(outcome, Failed):
            self._measured["error.type"] = outcome.kind
            self._span.fail(outcome.kind, outcome.message)


@contextmanager
def job(claim: Claim, worker: str) -> Iterator[Job]:
    """A job that this worker has claimed, whatever its kind."""
    if not telemetry.on():
        yield _NO_JOB
        return
    measured = {"conductor.job.kind": claim.kind}
    facts = {
        "conductor.job.id": claim.job_id,
        "conductor.job.kind": claim.kind,
        "conductor.execution.id": claim.execution_id,
        "conductor.task.id": claim.task_id,
        "conductor.task.key": claim.task_key,
        "conductor.attempt.id": claim.attempt_id,
        "conductor.attempt.number": claim.attempt_number,
        "conductor.worker.id": worker,
    }
    with (
        _measured("conductor.job.duration", measured),
        telemetry.span(f"conductor.{claim.kind}", facts, "consumer") as span,
        logs.about(trace=telemetry.trace_id()),
    ):
        yield Job(span, measured)


@contextmanager
def agent(claim: Claim, connector: Any, context: AgentContext) -> Iterator[None]:
    """An agent at work on an attempt, by itself or by its connector."""
    if not telemetry.on():
        yield
        return
    name = claim.agent.name if claim.agent else ""
    facts = {
        **_called(connector),
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": name,
        "conductor.connector": getattr(connector, "name", None),
        "conductor.execution.id": claim.execution_id,
        "conductor.task.id": claim.task_id,
        "conductor.task.key": claim.task_key,
        "conductor.attempt.id": claim.attempt_id,
    }
    measured = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name}
    # To wait is no failure: another attempt goes on.
    with (
        _measured("gen_ai.invoke_agent.duration", measured, fine=(Suspend,)),
        telemetry.span(f"invoke_agent {name}", facts, fine=(Suspend,)) as span,
    ):
        try:
            yield
        finally:
            cost = float(usd(context.usage.cost_nano_usd))
            done = {"conductor.turns": context.turns, "conductor.cost_usd": cost}
            span.set(_used(context.usage) | done)


class Chat:
    """A call of a model while it lasts."""

    def __init__(self, span: Span, measured: Facts) -> None:
        self._span = span
        self._measured = measured

    def answered(self, turn: Turn) -> None:
        self.used(turn.usage, turn.model)
        reason = "tool_call" if turn.tool_calls else _FINISHED[turn.stop]
        self._span.set({"gen_ai.response.finish_reasons": [reason]})
        if telemetry.wants_content():
            self._span.set({"gen_ai.output.messages": _text([_said(turn, reason)])})

    def used(self, usage: Usage, model: str | None = None) -> None:
        """What it took; of one that nobody counted nothing is told."""
        if not telemetry.on():
            return
        self._measured["gen_ai.response.model"] = model
        self._span.set({**_used(usage), "gen_ai.response.model": model})
        for kind, tokens in (("input", usage.input_tokens), ("output", usage.output_tokens)):
            counted = {**self._measured, "gen_ai.token.type": kind}
            telemetry.record("gen_ai.client.token.usage", tokens, counted)

    def failed(self, kind: str, message: str) -> None:
        self._measured["error.type"] = kind
        self._span.fail(kind, message)


@contextmanager
def chat(model: Any, messages: Sequence[Message] = (), most: int | None = None) -> Iterator[Chat]:
    """A call of the model, which has `provider` and `model`, with at most so many tokens out."""
    if not telemetry.on():
        yield _NO_CHAT
        return
    measured = {"gen_ai.operation.name": "chat", **_called(model), **_server(model)}
    facts = {**measured, "gen_ai.request.max_tokens": most, "gen_ai.request.stream": True}
    if telemetry.wants_content():
        facts |= _told(messages)
    del measured["gen_ai.conversation.id"]
    with (
        _measured("gen_ai.client.operation.duration", measured),
        telemetry.span(f"chat {model.model}", facts, "client") as span,
    ):
        yield Chat(span, measured)


def paid(model: Any, usage: Usage) -> None:
    """What a call of the model has cost, once that is known."""
    if telemetry.on() and usage.cost_nano_usd:
        called = {**_called(model), "gen_ai.conversation.id": None}
        telemetry.record("conductor.call.cost", float(usd(usage.cost_nano_usd)), called)


class Tool:
    """A call of a tool while it lasts."""

    def __init__(self, span: Span, measured: Facts) -> None:
        self._span = span
        self._measured = measured

    def answered(self, result: ToolResult) -> None:
        self._span.set({"conductor.tool.exit_code": result.exit_code})
        if telemetry.wants_content():
            self._span.set({"gen_ai.tool.call.result": result.output})
        if not result.ok:
            self._measured["error.type"] = "tool_error"
            self._span.fail("tool_error", "")


@contextmanager
def tool(call: ToolCall, spec: ToolSpec | None) -> Iterator[Tool]:
    """A call of a tool; `spec` is None for one that there is not, whatever a model calls it."""
    if not telemetry.on():
        yield _NO_TOOL
        return
    name = spec.name if spec else "unknown"
    measured: Facts = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}
    facts = {**measured, "gen_ai.tool.call.id": call.id, "gen_ai.tool.type": "function"}
    if telemetry.wants_content():
        facts["gen_ai.tool.call.arguments"] = _text(call.arguments)
    with (
        _measured("gen_ai.execute_tool.duration", measured),
        telemetry.span(f"execute_tool {name}", facts) as span,
    ):
        yield Tool(span, measured)


@contextmanager
def _measured(
    metric: str, facts: Facts, *, fine: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """How long the block takes; `facts` may grow meanwhile."""
    began = time.monotonic()
    try:
        yield
    except fine:
        raise
    except Exception as problem:
        facts["error.type"] = telemetry.kind_of(problem)
        raise
    finally:
        telemetry.record(metric, time.monotonic() - began, facts)


def _called(model: Any) -> Facts:
    return {
        "gen_ai.provider.name": getattr(model, "provider", None),
        "gen_ai.request.model": getattr(model, "model", None),
        "gen_ai.conversation.id": getattr(model, "conversation", None),
    }


def _server(model: Any) -> Facts:
    url = urlsplit(getattr(getattr(model, "settings", model), "base_url", None) or "")
    if not url.hostname:
        return {}
    return {"server.address": url.hostname, "server.port": url.port or _PORTS.get(url.scheme)}


def _used(usage: Usage) -> Facts:
    return {
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cache_read_tokens,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens,
    }


def _told(messages: Sequence[Message]) -> Facts:
    """The conversation as the conventions have it: the system's words apart."""
    system = [_part(each.text) for each in messages if each.role == "system"]
    rest = [
        {"role": each.role, "parts": _parts(each)} for each in messages if each.role != "system"
    ]
    return {
        "gen_ai.system_instructions": _text(system),
        "gen_ai.input.messages": _text(rest),
    }


def _said(turn: Turn, reason: str) -> Facts:
    said = Message("assistant", turn.text, tool_calls=turn.tool_calls)
    return {"role": "assistant", "parts": _parts(said), "finish_reason": reason}


def _parts(message: Message) -> list[Facts]:
    parts = [_part(message.text)] if message.text else []
    parts += [
        {"type": "tool_call", "id": call.id, "name": call.name, "arguments": call.arguments}
        for call in message.tool_calls
    ]
    return parts + [
        {"type": "tool_call_response", "id": result.call_id, "response": result.text}
        for result in message.results
    ]


def _part(text: str) -> Facts:
    return {"type": "text", "content": text}


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


# What the blocks are given while nobody wants to know.
_NO_JOB = Job(telemetry.NO_SPAN, {})
_NO_CHAT = Chat(telemetry.NO_SPAN, {})
_NO_TOOL = Tool(telemetry.NO_SPAN, {})
