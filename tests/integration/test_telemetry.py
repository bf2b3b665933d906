"""Spans and metrics of real attempts, in memory; nothing of it where nobody asks."""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import httpx2
import pytest
import redis
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy import select

from beat.gauges import Gauges
from conductor_app import bootstrap, connector_settings, create_app, masking, telemetry
from conductor_app.cli.demo_repository import create_demo_repository
from conductor_app.engine import projects, start
from conductor_app.metrics_specs import METRICS
from conductor_app.queue import CeleryQueue, Hint, MemoryQueue
from conductor_app.settings import Settings
from conductor_app.stack import datadir
from conductor_app.store.tables import executions
from conductor_app.workflows import loader
from tests.databases import give_schema
from tests.fakes.model_server import Space, says
from workers import telemetry as of_work
from workers.gateway import Gateway, GatewayAccount
from workers.gateway.meter import Unmetered
from workers.process import WorkerProcess
from workers.publisher import Publisher
from workers.turns import ToolCall, ToolResult

CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
CANARY = "canary-in-a-span-8f3c1"
TEMPLATE = """
name: traced
title: Traced
agents: {talker: {title: Takes turns, connector: claude}}
phases:
  - number: 0
    name: Only
    tasks: [{key: talk, title: Talk, agent: talker, needs: [], prompt: Say hello., retry: {max: 0}}]
"""


class Recorded:
    """What a process told, by name."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        telemetry.use(tracers, MeterProvider([self.reader]), own=True)

    def spans(self, name: str) -> list[ReadableSpan]:
        return [each for each in self.exporter.get_finished_spans() if each.name == name]

    def one(self, name: str) -> ReadableSpan:
        (found,) = self.spans(name)
        return found

    def points(self, metric: str) -> list[Any]:
        data = self.reader.get_metrics_data()
        assert data is not None
        return [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for each in scope.metrics
            if each.name == metric
            for point in each.data.data_points
        ]

    def everything(self) -> str:
        return "\n".join(each.to_json() for each in self.exporter.get_finished_spans())


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    yield Recorded()
    telemetry.stop()


class Wire:
    """A queue that keeps what a message would carry beside its job, on whatever thread."""

    def __init__(self) -> None:
        self.sent: SimpleQueue[tuple[str, dict[str, str]]] = SimpleQueue()

    def send(self, hints: Sequence[Hint]) -> None:
        for hint in hints:
            self.sent.put((hint.links[0], dict(telemetry.carrier())))

    def consume(self, queue: str) -> None:
        """Whoever asks is told at once."""

    def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def carry_out(
    home: Path, model_server: Space, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], str]]:
    """Runs the template's execution to its end, its model at the address; gives its id."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-of-the-tests-0123456789")
    made: list[WorkerProcess] = []

    def run(url: str) -> str:
        monkeypatch.setenv("CONDUCTOR_CLAUDE_BASE_URL", url)
        settings = Settings.load(home, sandbox="unconfined")
        give_schema(settings.database_url)
        wire = Wire()
        conductor = bootstrap.connect(settings, Publisher(wire))
        process = WorkerProcess(conductor, "agent", 2, lambda: ["agent.talker"])
        made.append(process)
        create_demo_repository(home / "project")
        loaded = loader.parse(TEMPLATE, "traced.yml")
        order = start.Wanted(loaded.workflow, loaded.version, "traced.yml", loaded.text, inputs={})
        with telemetry.span("asked"), conductor.transaction() as tx:
            project = projects.find_or_create(tx, str(home / "project"))
            execution_id = start.start(tx, project.id, order)
        while not ended(conductor, execution_id):
            job, headers = wire.sent.get(timeout=30)
            process.carry_out(job, (), headers)
        Gauges().tell(conductor)
        return execution_id

    yield run
    for each in made:
        each.close()


def ended(conductor: bootstrap.Conductor, execution_id: str) -> bool:
    with conductor.read() as tx:
        (execution,) = tx.all(select(executions).where(executions.c.id == execution_id))
    return execution.status in ("completed", "failed", "paused")


def test_one_trace_leads_from_the_request_to_the_last_tool(
    recorded: Recorded, carry_out: Callable[[str], str], model_server: Space
) -> None:
    carry_out(model_server.url("change"))
    asked = recorded.one("asked").context
    spans = recorded.exporter.get_finished_spans()
    assert len(spans) > 10
    assert {span.context.trace_id for span in spans} == {asked.trace_id}
    first = recorded.spans("conductor.checkpoint")[0]
    assert first.parent and first.parent.span_id == asked.span_id
    attempt = recorded.one("conductor.attempt")
    assert attempt.parent and attempt.parent.span_id == first.context.span_id


def test_an_attempt_is_a_tree_of_spans(
    recorded: Recorded, carry_out: Callable[[str], str], model_server: Space
) -> None:
    execution_id = carry_out(model_server.url("change"))
    attempt = recorded.one("conductor.attempt")
    agent = recorded.one("invoke_agent talker")
    chats = recorded.spans("chat claude-sonnet-5-5")
    assert attempt.kind == SpanKind.CONSUMER
    assert agent.kind == SpanKind.INTERNAL
    assert agent.parent and agent.parent.span_id == attempt.context.span_id
    assert len(chats) == 4
    tools = [
        recorded.one(f"execute_tool {name}") for name in ("list_dir", "write_file", "run_command")
    ]
    for each in (*chats, *tools):
        assert each.parent and each.parent.span_id == agent.context.span_id
    assert attempt.attributes and agent.attributes
    assert attempt.attributes["conductor.execution.id"] == execution_id
    assert attempt.attributes["conductor.outcome"] == "succeeded"
    total = model_server.ledger.total
    assert agent.attributes["gen_ai.operation.name"] == "invoke_agent"
    assert agent.attributes["gen_ai.agent.name"] == "talker"
    assert agent.attributes["conductor.turns"] == 4
    assert agent.attributes["gen_ai.usage.output_tokens"] == total.output_tokens
    assert agent.attributes["conductor.cost_usd"] == pytest.approx(total.cost_nano_usd / 1e9)
    # Another job of the execution, not of the attempt.
    assert recorded.spans("conductor.checkpoint")


def test_a_call_says_what_the_conventions_ask_for(
    recorded: Recorded, carry_out: Callable[[str], str], model_server: Space
) -> None:
    carry_out(model_server.url("change"))
    chats = recorded.spans("chat claude-sonnet-5-5")
    first, last = chats[0].attributes, chats[-1].attributes
    assert first and last and chats[0].kind == SpanKind.CLIENT
    port = int(model_server.url("change").split(":")[2].split("/")[0])
    assert first["gen_ai.operation.name"] == "chat"
    assert first["gen_ai.provider.name"] == "anthropic"
    assert first["gen_ai.request.model"] == first["gen_ai.response.model"] == "claude-sonnet-5-5"
    assert (first["server.address"], first["server.port"]) == ("127.0.0.1", port)
    assert first["gen_ai.request.stream"] is True
    assert first["gen_ai.response.finish_reasons"] == ("tool_call",)
    inputs = sum(each.attributes["gen_ai.usage.input_tokens"] for each in chats if each.attributes)  # type: ignore[misc]
    assert inputs == model_server.ledger.total.input_tokens
    assert last["gen_ai.usage.cache_read.input_tokens"]
    for kind, tokens in (("input", inputs), ("output", model_server.ledger.total.output_tokens)):
        (point,) = [
            each
            for each in recorded.points("gen_ai.client.token.usage")
            if each.attributes["gen_ai.token.type"] == kind
        ]
        assert (point.count, point.sum) == (4, tokens)
        assert "gen_ai.conversation.id" not in point.attributes
    (took,) = recorded.points("gen_ai.client.operation.duration")
    assert took.count == 4
    assert tuple(took.explicit_bounds) == METRICS["gen_ai.client.operation.duration"].buckets
    (cost,) = recorded.points("conductor.call.cost")
    assert cost.value == pytest.approx(model_server.ledger.total.cost_nano_usd / 1e9)
    jobs = {
        each.attributes["conductor.job.kind"]: each.count
        for each in recorded.points("conductor.job.duration")
    }
    assert jobs["attempt"] == 1
    assert {
        each.attributes["conductor.budget.state"]
        for each in recorded.points("conductor.budget.tokens")
    } == {"spent", "reserved", "cap"}


def test_what_goes_wrong_is_said_in_few_words(
    recorded: Recorded, carry_out: Callable[[str], str], model_server: Space
) -> None:
    carry_out(model_server.url("change", "401"))
    chat = recorded.one("chat claude-sonnet-5-5")
    for each in (chat, recorded.one("invoke_agent talker"), recorded.one("conductor.attempt")):
        assert each.attributes
        assert each.attributes["error.type"] == "CREDENTIALS"
        assert each.status.status_code == StatusCode.ERROR
    (took,) = recorded.points("gen_ai.client.operation.duration")
    assert took.attributes["error.type"] == "CREDENTIALS"
    assert not recorded.points("gen_ai.client.token.usage")


def test_a_tool_that_fails_is_told(
    recorded: Recorded, carry_out: Callable[[str], str], model_server: Space
) -> None:
    url = model_server.add(
        "failing",
        says("", ("read_file", {"path": "none"}), ("teleport", {"to": CANARY})),
        says("", ("finish", {"summary": "done"})),
    )
    carry_out(url)
    for name in ("read_file", "unknown"):
        span = recorded.one(f"execute_tool {name}")
        assert span.attributes and span.attributes["error.type"] == "tool_error"


def leaky(server: Space) -> str:
    return server.add(
        "leaky",
        says(f"I know {CANARY}", ("run_command", {"command": f"echo {CANARY} hello"})),
        says("", ("finish", {"summary": "done"})),
    )


def test_no_prompt_and_no_answer_is_in_a_span(
    recorded: Recorded, carry_out: Callable[[str], str], model_server: Space
) -> None:
    carry_out(leaky(model_server))
    told = recorded.everything()
    for words in ("Say hello", "I know", "echo", CANARY, "sk-ant"):
        assert words not in told


def test_content_is_there_for_those_who_opt_in(
    recorded: Recorded,
    carry_out: Callable[[str], str],
    model_server: Space,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(CAPTURE, "true")
    masking.know(CANARY)
    carry_out(leaky(model_server))
    first, last = recorded.spans("chat claude-sonnet-5-5")
    assert first.attributes and last.attributes
    (said,) = json.loads(str(first.attributes["gen_ai.output.messages"]))
    assert said["role"] == "assistant"
    assert said["finish_reason"] == "tool_call"
    assert [part["type"] for part in said["parts"]] == ["text", "tool_call"]
    told = json.loads(str(last.attributes["gen_ai.input.messages"]))
    assert [each["role"] for each in told] == ["user", "assistant", "tool"]
    assert told[2]["parts"][0]["type"] == "tool_call_response"
    assert "Say hello" in told[0]["parts"][0]["content"]
    assert json.loads(str(first.attributes["gen_ai.system_instructions"]))[0]["type"] == "text"
    tool = recorded.one("execute_tool run_command").attributes
    assert tool and "hello" in str(tool["gen_ai.tool.call.result"])
    assert "echo" in str(tool["gen_ai.tool.call.arguments"])
    assert CANARY not in recorded.everything()


def test_a_message_carries_the_trace_and_so_does_each_link_of_its_chain(
    recorded: Recorded, settings: Settings
) -> None:
    queue = CeleryQueue(bootstrap.celery_app(settings))
    with telemetry.span("asked"):
        queue.send([Hint("agent.talker", 50, ("job-1", "job-2"))])
    queue.send([Hint("agent.talker", 50, ("job-3",))])
    queue.close()
    trace = f"{recorded.one('asked').context.trace_id:032x}"
    with redis.Redis.from_url(settings.redis_client_url) as client:
        (key,) = (each for each in client.keys("agent.talker*"))
        sent = [json.loads(each) for each in client.lrange(key, 0, -1)]
    later, first = sent
    assert trace in first["headers"]["traceparent"]
    assert "traceparent" not in later["headers"]
    _, _, embedded = json.loads(base64.b64decode(first["body"]))
    (link,) = embedded["chain"]
    assert trace in link["options"]["headers"]["traceparent"]


def test_a_worker_goes_on_with_the_trace_of_its_message(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    from workers import current, tasks

    class Process:
        def carry_out(self, *told: Any) -> list[str]:
            with telemetry.continued(told[2]), telemetry.span("carried out"):
                return []

    monkeypatch.setattr(current, "_process", Process())
    with telemetry.span("asked"):
        headers = dict(telemetry.carrier())
    tasks.run_job.apply(args=["job-1"], headers=headers)
    done = recorded.one("carried out")
    assert done.parent and done.parent.span_id == recorded.one("asked").context.span_id


def test_a_request_that_changes_something_is_a_span_below_its_callers(
    recorded: Recorded, home: Path
) -> None:
    datadir.prepare(home)
    settings = Settings.load(home, token="token-of-the-test-1")
    give_schema(settings.database_url)
    caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"Authorization": "Bearer token-of-the-test-1", "traceparent": caller}
    with bootstrap.connected(settings, MemoryQueue()) as conductor:
        client = create_app(conductor).test_client()
        client.get("/api/v1/executions", headers=headers)
        answer = client.post("/api/v1/executions", headers=headers, json={"nonsense": 1})
    assert answer.status_code == 422
    (span,) = recorded.exporter.get_finished_spans()
    assert span.kind == SpanKind.SERVER
    assert span.name == "POST /api/v1/executions"
    assert f"{span.context.trace_id:032x}" in caller
    assert span.attributes and span.attributes["http.response.status_code"] == 422
    assert span.attributes["conductor.request.id"] == answer.headers["X-Request-Id"]


def test_a_program_s_call_through_the_gateway_belongs_to_its_agent(
    recorded: Recorded,
    home: Path,
    model_server: Space,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-of-the-tests-0123456789")
    monkeypatch.setenv("CONDUCTOR_CLAUDE_BASE_URL", model_server.url("echo"))
    upstream = connector_settings.load(Settings.load(home)).of("claude")
    with telemetry.span("agent"):
        account = GatewayAccount({"messages": upstream}, Unmetered(), tmp_path, lambda _: None)
    entrance = Gateway()
    asked = {
        "model": "claude-haiku-5-5",
        "max_tokens": 500,
        "messages": [{"role": "user", "content": f"hello {CANARY}"}],
    }
    with entrance.admitting(account):
        headers = {"x-api-key": account.token, "anthropic-version": "2023-06-01"}
        answer = httpx2.post(f"{entrance.url}/v1/messages", json=asked, headers=headers)
        assert answer.status_code == 200
        asked["model"] = "claude-none"
        httpx2.post(f"{entrance.url}/v1/messages", json=asked, headers=headers)
    entrance.close()
    chat, refused = recorded.one("chat claude-haiku-5-5"), recorded.one("chat claude-none")
    assert chat.parent and chat.parent.span_id == recorded.one("agent").context.span_id
    assert chat.attributes and chat.attributes["gen_ai.usage.input_tokens"]
    assert refused.attributes and refused.attributes["error.type"] == "BAD_REQUEST"
    assert CANARY not in recorded.everything()


def test_off_it_costs_nothing_to_speak_of() -> None:
    """A turn with a call of a model and three of tools: well under 0.1 ms."""
    assert not telemetry.on()
    call, result = ToolCall("c", "read_file"), ToolResult("c", True, "")

    def turn() -> None:
        with of_work.chat(None):
            pass
        for _ in range(3):
            with of_work.tool(call, None) as told:
                told.answered(result)

    def measured() -> float:
        began = time.perf_counter()
        for _ in range(1_000):
            turn()
        return (time.perf_counter() - began) / 1_000

    assert min(measured() for _ in range(5)) < 0.000_1


def test_off_nothing_of_it_is_imported() -> None:
    program = (
        "import sys, conductor_app.queue, conductor_app.telemetry as t; t.start('api'); "
        "t.carrier(); t.stop(); print([n for n in sys.modules if n.startswith('opentelemetry')])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.stdout.strip() == "[]", ran.stderr


@pytest.mark.parametrize(
    ("environ", "traces", "metrics"),
    [
        ({}, False, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, True, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9"}, True, False),
        ({"OTEL_METRICS_EXPORTER": "otlp"}, False, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h", "OTEL_TRACES_EXPORTER": "none"}, False, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h", "OTEL_SDK_DISABLED": "true"}, False, False),
    ],
)
def test_it_is_on_where_the_standard_variables_ask_for_it(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], traces: bool, metrics: bool
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert telemetry._asked("TRACES") == traces
    assert telemetry._asked("METRICS") == metrics


def test_a_context_goes_with_headers(recorded: Recorded) -> None:
    with telemetry.span("one"):
        headers = telemetry.carrier()
    with telemetry.continued({**headers, "id": 3}), telemetry.span("two"):
        pass
    one, two = recorded.one("one"), recorded.one("two")
    assert two.parent and two.parent.span_id == one.context.span_id
