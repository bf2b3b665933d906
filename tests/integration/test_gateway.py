"""The model gateway between a program and its provider: who is admitted, what goes through."""

import http.client
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from conductor_app import connector_settings
from conductor_app.settings import Settings
from tests.conftest import wait_until
from tests.fakes.model_server import Fault, Reply, Space, dripping
from tests.sdk_calls import CLAUDE, HELLO, SOL
from workers.failures import AttemptFailed, FailureKind
from workers.gateway import Gateway, GatewayAccount
from workers.gateway.account import CALLS_FILE
from workers.turns import Usage
from workers.wanted import WantedCall

KEY = "sk-test-of-the-worker-0123456789"
ASKED = {"model": CLAUDE, "max_tokens": 500, "messages": HELLO}


@dataclass
class Booked:
    """A meter that keeps what it is told; the first calls it refuses, if told to."""

    refusals: list[AttemptFailed] = field(default_factory=list)
    most: int | None = None
    # As they were granted.
    calls: list[WantedCall] = field(default_factory=list)
    ends: list[Usage | str] = field(default_factory=list)

    @contextmanager
    def call(self, wanted: WantedCall) -> Iterator["_Call"]:
        if self.refusals:
            raise self.refusals.pop(0)
        granted = min(wanted.output_tokens, self.most or wanted.output_tokens)
        self.calls.append(replace(wanted, output_tokens=granted))
        call = _Call(self, granted)
        try:
            yield call
        finally:
            if not call.over:
                self.ends.append("worst")

    def record(self, connector: str, provider: str, model: str, usage: Usage | None) -> Usage:
        raise AssertionError("nothing is spent behind the gateway's back")


@dataclass
class _Call:
    booked: Booked
    max_output_tokens: int
    over: bool = False

    def settle(self, usage: Usage, request_id: str | None = None) -> Usage:
        self.over = True
        self.booked.ends.append(usage)
        return usage

    def nothing_spent(self) -> None:
        self.over = True
        self.booked.ends.append("nothing")


@pytest.fixture(scope="module")
def entrance() -> Iterator[Gateway]:
    gateway = Gateway()
    yield gateway
    gateway.close()


@dataclass
class Program:
    """A program that was let in, and what the worker has of it."""

    entrance: Gateway
    account: GatewayAccount
    meter: Booked
    server: Space

    def claude(self, **options: Any) -> anthropic.Anthropic:
        given = {"api_key": self.account.token, "max_retries": 0, **options}
        return anthropic.Anthropic(base_url=self.entrance.url, open_telemetry=False, **given)

    def gpt(self, **options: Any) -> openai.OpenAI:
        given = {"api_key": self.account.token, "max_retries": 0, **options}
        return openai.OpenAI(base_url=f"{self.entrance.url}/v1", **given)

    def ask(self, **more: Any) -> anthropic.types.Message:
        request: Any = {"model": CLAUDE, "max_tokens": 500, "messages": HELLO, **more}
        return self.claude().messages.create(**request)

    def send(
        self, path: str, body: Any, key: str | None = None, agent: bytes = b"test"
    ) -> httpx2.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers: Any = {"x-api-key": self.account.token if key is None else key}
        headers |= {"user-agent": agent, "anthropic-version": "2023-06-01"}
        url = f"{self.entrance.url}{path}"
        return httpx2.post(url, content=content, headers=headers, trust_env=False)

    @property
    def sent(self) -> dict[str, Any]:
        body: dict[str, Any] = self.server.requests[-1].body
        return body


@pytest.fixture
def scenario() -> str:
    return "echo"


@pytest.fixture
def program(
    scenario: str,
    entrance: Gateway,
    model_server: Space,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Program]:
    with admitted(entrance, model_server, tmp_path, monkeypatch, model_server.url(scenario)) as one:
        yield one


@contextmanager
def admitted(
    entrance: Gateway, server: Space, folder: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> Iterator[Program]:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("CONDUCTOR_CLAUDE_BASE_URL", url)
    monkeypatch.setenv("CONDUCTOR_CODEX_BASE_URL", f"{url}/v1")
    found = connector_settings.load(Settings.load(folder))
    upstreams = {"messages": found.of("claude"), "responses": found.of("codex")}
    meter = Booked()
    account = GatewayAccount(upstreams, meter, folder, lambda usage: None)
    with entrance.admitting(account):
        yield Program(entrance, account, meter, server)


def told(*events: Any) -> Fault:
    """A stream of nothing but these."""
    body = "".join(f"data: {json.dumps(each)}\n\n" for each in events)
    return Fault("told", 200, headers={"content-type": "text/event-stream"}, body=body.encode())


def test_an_answer_comes_whole_and_is_settled(
    program: Program, wait_until: Callable[..., None]
) -> None:
    answer = program.ask()
    assert answer.content[0].text == "hello there"
    assert program.server.requests[-1].key == KEY
    [call] = program.meter.calls
    assert (call.connector, call.provider, call.model) == ("claude", "anthropic", CLAUDE)
    assert call.output_tokens == 500
    # The program has its answer before the call is booked.
    wait_until(lambda: program.meter.ends)
    [used] = program.meter.ends
    assert isinstance(used, Usage)
    assert call.input_tokens >= used.input_tokens == program.server.ledger.total.input_tokens
    assert used.output_tokens == program.server.ledger.total.output_tokens


def test_a_stream_comes_as_it_is_said(program: Program) -> None:
    program.server.fail("echo", dripping(0.2))
    pieces, began = [], threading.Event()
    with program.claude().messages.stream(model=CLAUDE, max_tokens=500, messages=HELLO) as stream:
        for event in stream:
            if not began.is_set():
                began.set()
                assert program.meter.ends == [], "the first piece is here before the last is there"
            pieces.append(event.type)
    assert pieces[-1] == "message_stop"
    wait_until(lambda: program.meter.ends)
    assert isinstance(program.meter.ends[0], Usage)


def test_responses_are_spoken_as_well(program: Program) -> None:
    with program.gpt().responses.stream(model=SOL, input="hello there") as stream:
        assert stream.get_final_response().output_text == "hello there"
    assert program.server.requests[-1].key == KEY
    # It said no limit, so it was given one.
    assert program.sent["max_output_tokens"] == program.meter.calls[0].output_tokens > 0
    wait_until(lambda: program.meter.ends)
    assert program.meter.ends[0].input_tokens == program.server.ledger.total.input_tokens


def test_counting_tokens_costs_nothing(program: Program) -> None:
    counted = program.claude().messages.count_tokens(model=CLAUDE, messages=HELLO)
    assert counted.input_tokens > 0
    assert program.meter.calls == []


def test_fewer_tokens_are_asked_for_when_fewer_are_granted(program: Program) -> None:
    program.meter.most = 7
    program.ask()
    assert program.sent["max_tokens"] == 7


@pytest.mark.parametrize("key", ["", "guessed", KEY])
def test_nobody_else_is_admitted(program: Program, key: str) -> None:
    """The real key opens nothing here either."""
    answer = program.send("/v1/messages", {"model": CLAUDE}, key)
    assert answer.status_code == 401
    assert not program.server.requests


def test_what_a_stranger_sends_is_not_looked_at(program: Program) -> None:
    """It is passed over, and the connection stays: whoever holds it may know the token next."""
    path, told = f"{program.entrance.url}/v1/messages", {"anthropic-version": "2023-06-01"}
    with httpx2.Client(headers=told) as connection:
        answer = connection.post(path, content=b"[" * 10_000_000, headers={"x-api-key": "guessed"})
        assert answer.status_code == 401
        told["x-api-key"] = program.account.token
        body = {"model": CLAUDE, "max_tokens": 9, "messages": HELLO}
        assert connection.post(path, json=body, headers=told).status_code == 200


def test_a_token_is_good_for_one_attempt(
    program: Program,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = program.server.url("echo")
    server, entrance = program.server, program.entrance
    with admitted(entrance, server, tmp_path, monkeypatch, url) as other:
        token = other.account.token
        assert token != program.account.token
        assert other.ask().content
    assert program.send("/v1/messages", {"model": CLAUDE}, token).status_code == 401
    assert program.ask().content


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/models", {}, 404),
        ("/v1/messages/batches", {"model": CLAUDE}, 404),
        ("/v1/files", {}, 404),
        ("/v1/chat/completions", {"model": SOL}, 404),
        ("/v1/messages", b"no JSON", 400),
        ("/v1/messages", b"[" * 100_000, 400),
        ("/v1/messages", b'{"model": "m", "max_tokens": 9, "temperature": NaN}', 400),
        ("/v1/messages", b'{"model": "m", "max_tokens": 9, "temperature": -Infinity}', 400),
        ("/v1/messages", b'{"model": "m", "max_tokens": 9, "temperature": 1e999}', 400),
        ("/v1/messages", b'{"model": "m", "messages": [{"content": "\\ud800"}]}', 400),
        ("/v1/messages", [], 400),
        ("/v1/messages", {}, 400),
        ("/v1/messages", {"model": 7}, 400),
        ("/v1/responses", {"input": "x"}, 400),
        ("/v1/messages", {**ASKED, "max_tokens": -5}, 400),
        ("/v1/messages", {**ASKED, "max_tokens": True}, 400),
        ("/v1/responses", {"model": SOL, "input": "x", "max_output_tokens": 10**15}, 400),
        ("/v1/messages", b'{"model": "m", "messages": [' + b"{}," * 300_000 + b"{}]}", 413),
        ("/v1/messages", {"model": CLAUDE, "messages": HELLO, "thread": {"type": "continue"}}, 400),
        ("/v1/messages/count_tokens", {"model": CLAUDE, "messages": HELLO, "thread": {}}, 400),
        ("/v1/responses", {"model": SOL, "input": "x", "previous_response_id": "resp_1"}, 400),
        ("/v1/responses", {"model": SOL, "input": [{"type": "item_reference", "id": "1"}]}, 400),
    ],
)
def test_what_is_no_call_goes_nowhere(program: Program, path: str, body: Any, status: int) -> None:
    answer = program.send(path, body)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]
    assert not program.server.requests
    assert program.meter.calls == []


def test_what_is_not_in_a_request_is_refused_in_the_protocols_words(program: Program) -> None:
    """Nobody knows what it costs; the attempt knows why its program failed."""
    far: Any = {"type": "image", "source": {"type": "url", "url": "https://example.com/x.png"}}
    with pytest.raises(anthropic.BadRequestError, match=r"messages\.0\.content\.0\.source") as told:
        program.ask(messages=[{"role": "user", "content": [far]}])
    assert told.value.type == "invalid_request_error"
    assert program.account.failure is not None
    assert program.account.failure.kind == "BAD_REQUEST"
    with pytest.raises(openai.BadRequestError, match="conversation") as refused:
        program.gpt().responses.create(model=SOL, input="x", conversation="conv_1")
    assert refused.value.code == "invalid_request_error"
    assert not program.server.requests
    assert program.meter.calls == []
    assert "conversation" in program.account.failure.message
    program.ask()
    wait_until(lambda: program.account.failure is None)


def test_a_request_without_end_is_not_read(program: Program) -> None:
    with socket.create_connection(("127.0.0.1", program.entrance.port), timeout=10) as raw:
        raw.sendall(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n")
        assert b" 413 " in raw.recv(100)
    with socket.create_connection(("127.0.0.1", program.entrance.port), timeout=10) as raw:
        raw.sendall(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        assert b" 411 " in raw.recv(100)


def test_a_length_that_is_no_number_ends_the_connection(program: Program) -> None:
    with socket.create_connection(("127.0.0.1", program.entrance.port), timeout=10) as raw:
        lines = f"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: {'9' * 5000}\r\n\r\n"
        raw.sendall(lines.encode() + b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n")
        said = b""
        with suppress(ConnectionResetError):
            while piece := raw.recv(1000):
                said += piece
    assert said.startswith(b"HTTP/1.1 413 ")
    assert said.count(b"HTTP/1.1 ") == 1


def test_one_connection_has_an_answer_for_each_request(program: Program) -> None:
    door = http.client.HTTPConnection("127.0.0.1", program.entrance.port, timeout=10)
    headers = {"x-api-key": program.account.token, "anthropic-version": "2023-06-01"}
    statuses = []
    for method, path, body in (
        ("POST", "/v1/messages", json.dumps(ASKED)),
        ("GET", "/v1/models", None),
        ("HEAD", "/", None),
        ("GET", "/v1/models", None),
    ):
        door.request(method, path, body, headers)
        with door.getresponse() as answer:
            answer.read()
            statuses.append(answer.status)
    assert statuses == [200, 404, 200, 404]


def test_an_answer_has_room_for_the_thoughts_that_it_is_to_have(program: Program) -> None:
    think = {"type": "enabled", "budget_tokens": 4000}
    program.send("/v1/messages", {**ASKED, "max_tokens": 8000, "thinking": think})
    least = program.meter.calls[0].least_output_tokens
    assert least is not None and least > 4000


def test_the_proxy_of_the_machine_is_the_gateways_too(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A setting that can't be used is told, and nothing is paid."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:9")
    answer = program.send("/v1/messages", ASKED)
    assert answer.status_code == 400
    assert "http://HOST:PORT" in answer.json()["error"]["message"]
    assert program.meter.ends == ["nothing"]


def test_what_a_provider_runs_itself_is_not_asked_of_it(program: Program) -> None:
    """It costs besides tokens, and has a network."""
    mine: Any = {"name": "Bash", "input_schema": {"type": "object"}}
    program.ask(
        tools=[mine, {"type": "web_search_20250305", "name": "web_search"}],
        system=[{"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        service_tier="auto",
    )
    assert [tool["name"] for tool in program.sent["tools"]] == ["Bash"]
    assert program.sent["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert "service_tier" not in program.sent
    function: Any = {"type": "function", "name": "f", "parameters": {}, "strict": False}
    hosted = [
        {"type": "web_search"},
        {"type": "mcp", "server_label": "x", "server_url": "http://x"},
    ]
    added = {"type": "additional_tools", "role": "developer", "tools": [function, *hosted]}
    inner = {"type": "namespace", "name": "n", "tools": [function, hosted[0]]}
    items: Any = [added, {"role": "user", "content": "hello"}]
    tools: Any = [function, inner, *hosted]
    program.gpt().responses.create(
        model=SOL, input=items, tools=tools, service_tier="priority", background=True
    )
    assert program.sent["tools"] == [function, {**inner, "tools": [function]}]
    assert program.sent["input"][0]["tools"] == [function]
    assert not {"service_tier", "background"} & set(program.sent)


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        ("401", 401, "CREDENTIALS"),
        ("429-long", 429, "API_LIMIT"),
        ("spend-limit", 429, "SPEND_LIMIT"),
        ("529", 529, "API_LIMIT"),
        ("502", 502, "TEMPORARY_FAILURE"),
    ],
)
def test_a_refusal_is_passed_on_and_costs_nothing(
    program: Program, fault: str, status: int, kind: str
) -> None:
    program.server.fail("echo", fault)
    with pytest.raises(anthropic.APIStatusError) as refused:
        program.ask()
    assert refused.value.status_code == status
    assert program.meter.ends == ["nothing"]
    assert program.account.failure is not None
    assert program.account.failure.kind == kind
    assert KEY not in str(refused.value) + program.account.failure.message


def test_without_a_key_nothing_is_sent_and_nothing_spent(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(anthropic.AuthenticationError, match="has no key"):
        program.ask()
    assert program.meter.ends == ["nothing"]
    assert program.account.failure is not None
    assert program.account.failure.kind == "CREDENTIALS"


def test_a_request_that_cannot_be_made_costs_nothing(program: Program) -> None:
    """Headers are ASCII."""
    answer = program.send("/v1/messages", ASKED, agent="Café".encode("latin-1"))
    assert answer.status_code >= 400
    assert program.meter.ends == ["nothing"]
    assert not program.server.requests


def test_a_header_that_http_has_no_letters_for_is_left_out(program: Program) -> None:
    """It says no less by that, and is settled."""
    usage = {"input_tokens": 5, "output_tokens": 6}
    body = {"type": "message", "role": "assistant", "model": CLAUDE, "content": [], "usage": usage}
    odd = {"content-type": "application/json", "retry-after": "ré€q".encode().decode("latin-1")}
    program.server.fail("echo", Fault("odd", 200, headers=odd, body=json.dumps(body).encode()))
    answer = program.send("/v1/messages", ASKED)
    assert (answer.status_code, answer.json()) == (200, body)
    assert answer.headers["content-type"] == "application/json"
    assert "retry-after" not in answer.headers
    wait_until(lambda: program.meter.ends)
    assert program.meter.ends == [Usage(5, 6)]


def test_a_redirect_is_a_refusal(program: Program) -> None:
    elsewhere = {"location": "https://example.com/v1/messages"}
    program.server.fail("echo", Fault("moved", 307, headers=elsewhere, body=b"It moved."))
    answer = program.send("/v1/messages", ASKED)
    assert (answer.status_code, answer.text) == (307, "It moved.")
    assert "location" not in answer.headers
    assert program.meter.ends == ["nothing"]
    assert program.account.failure is not None
    assert program.account.failure.kind == "BAD_REQUEST"


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize(
    ("path", "untold"),
    [
        ("/v1/messages", "input_tokens"),
        ("/v1/responses", "input_tokens"),
        ("/v1/responses", "output_tokens"),
    ],
)
@pytest.mark.parametrize("said", [None, -5])
def test_an_answer_without_its_figures_counts_in_full(
    program: Program, path: str, untold: str, streamed: bool, said: object
) -> None:
    program.server.add("echo", Reply("Hm.", false_usage={untold: said}))
    body = ASKED if path == "/v1/messages" else {"model": SOL, "input": "x"}
    assert program.send(path, {**body, "stream": streamed}).status_code == 200
    wait_until(lambda: program.meter.ends)
    assert program.meter.ends == ["worst"]
    assert program.account.failure is None


def test_an_answer_that_never_says_its_output_counts_in_full(program: Program) -> None:
    begun = {"input_tokens": 3, "output_tokens": 1}
    start = {"type": "message_start", "message": {"usage": begun}}
    program.server.fail("echo", told(start, {"type": "message_stop"}), 1)
    program.server.fail("echo", Fault("whole", 200, body=b'{"usage": {"input_tokens": 3}}'), 2)
    program.send("/v1/messages", {**ASKED, "stream": True})
    program.send("/v1/messages", ASKED)
    wait_until(lambda: len(program.meter.ends) == 2)
    assert program.meter.ends == ["worst", "worst"]


@pytest.mark.parametrize(
    ("path", "event", "kind", "end"),
    [
        ("/v1/messages", {"error": {"type": "billing_error"}}, "SPEND_LIMIT", "worst"),
        ("/v1/messages", {"error": {"type": "api_error"}}, "TEMPORARY_FAILURE", "worst"),
        (
            "/v1/messages",
            {"error": {"details": {"error_code": "enforced_spend_limit_reached"}}},
            *("SPEND_LIMIT", "worst"),
        ),
        ("/v1/responses", {"code": "insufficient_quota"}, "SPEND_LIMIT", "worst"),
        ("/v1/responses", {"error": {"code": "rate_limit_exceeded"}}, "API_LIMIT", "worst"),
        (
            "/v1/responses",
            {"type": None, "error": {"type": "insufficient_quota"}},
            *("SPEND_LIMIT", "worst"),
        ),
        (
            "/v1/responses",
            {"type": "response.failed", "response": {"error": {"code": "insufficient_quota"}}},
            *("SPEND_LIMIT", "worst"),
        ),
        (
            "/v1/responses",
            {
                "type": "response.failed",
                "response": {
                    "error": {"code": "insufficient_quota"},
                    "usage": {"input_tokens": 3, "output_tokens": 4},
                },
            },
            *("SPEND_LIMIT", Usage(3, 4)),
        ),
    ],
)
def test_an_error_within_a_stream_keeps_its_kind(
    program: Program, path: str, event: dict[str, Any], kind: str, end: Usage | str
) -> None:
    program.server.fail("echo", told({"type": "ping"}, {"type": "error", **event}, "[DONE]"))
    body = ASKED if path == "/v1/messages" else {"model": SOL, "input": "x"}
    program.send(path, {**body, "stream": True})
    wait_until(lambda: program.account.failure)
    assert program.account.failure is not None
    assert program.account.failure.kind == kind
    wait_until(lambda: program.meter.ends)
    assert program.meter.ends == [end]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("cut", "TEMPORARY_FAILURE"),
        ("truncated", "TEMPORARY_FAILURE"),
        ("empty-stream", "TEMPORARY_FAILURE"),
        ("error-event", "API_LIMIT"),
        ("closed", "TEMPORARY_FAILURE"),
    ],
)
def test_an_answer_without_its_end_counts_in_full(program: Program, fault: str, kind: str) -> None:
    program.server.fail("echo", fault, 1)
    events: list[str] = []
    with suppress(anthropic.APIError, httpx2.HTTPError):
        asked: Any = {"model": CLAUDE, "max_tokens": 500, "messages": HELLO}
        events += [each.type for each in program.claude().messages.create(**asked, stream=True)]
    assert "message_stop" not in events
    wait_until(lambda: program.meter.ends)
    assert program.meter.ends == ["worst"]
    wait_until(lambda: program.account.failure)
    assert program.account.failure is not None
    assert program.account.failure.kind == kind
    program.ask()
    wait_until(lambda: program.account.failure is None)


@pytest.mark.parametrize("fault", ["truncated", "empty-stream"])
def test_what_ends_as_if_it_were_whole_is_cut_for_the_program_too(
    program: Program, fault: str
) -> None:
    """Some take the half of an answer that they get for the whole."""
    program.server.fail("echo", fault, 1)
    with pytest.raises(httpx2.RemoteProtocolError):
        program.send("/v1/messages", {**ASKED, "stream": True})


def test_what_failed_while_a_call_went_well_is_not_forgotten(
    program: Program, tmp_path: Path
) -> None:
    """A call comes to its end after its program has heard it, and maybe begun another."""
    program.server.fail("echo", dripping(0.1))
    asked: Any = {"model": CLAUDE, "max_tokens": 500, "messages": HELLO}
    with program.claude().messages.create(**asked, stream=True) as stream:
        next(iter(stream))
        with pytest.raises(anthropic.BadRequestError):
            program.ask(messages=[{"role": "user", "content": [{"type": "unknown"}]}])
        assert [each.type for each in stream][-1] == "message_stop"
    calls = tmp_path / CALLS_FILE
    wait_until(lambda: calls.exists() and len(calls.read_text().splitlines()) == 2)
    assert program.account.failure is not None


def test_a_program_that_goes_away_is_paid_for(program: Program) -> None:
    """Its provider has said all of it by then."""
    program.server.fail("echo", dripping(0.05))
    asked: Any = {"model": CLAUDE, "max_tokens": 500, "messages": HELLO}
    stream = program.claude().messages.create(**asked, stream=True)
    next(iter(stream))
    stream.close()
    wait_until(lambda: program.meter.ends)
    assert len(program.meter.ends) == 1


def test_over_its_budget_a_program_is_told_not_to_try_again(program: Program) -> None:
    over = AttemptFailed(FailureKind.BUDGET_EXHAUSTED, "No more.", retryable=False)
    program.meter.refusals = [over]
    with pytest.raises(anthropic.RateLimitError, match=r"No more\.") as refused:
        program.ask()
    assert refused.value.response.headers["x-should-retry"] == "false"
    program.meter.refusals = [over]
    with pytest.raises(openai.RateLimitError) as told:
        program.gpt().responses.create(model=SOL, input="x")
    assert told.value.code == "insufficient_quota"
    assert not program.server.requests
    assert program.account.failure is over


def test_a_call_waits_while_others_hold_what_is_left(program: Program) -> None:
    wait = AttemptFailed(FailureKind.BUDGET_EXHAUSTED, "Others.", retry_after=0.05)
    program.meter.refusals = [wait, wait]
    assert program.ask().content
    assert program.meter.refusals == []


def test_at_the_end_of_an_attempt_calls_are_cut_and_accounted_for(
    entrance: Gateway, model_server: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = model_server.url("echo", "no-reply")
    ended: list[BaseException] = []
    with admitted(entrance, model_server, tmp_path, monkeypatch, url) as program:

        def ask() -> None:
            try:
                program.ask()
            except anthropic.APIError as error:
                ended.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        wait_until(lambda: program.server.requests)
    assert program.meter.ends == ["worst"]
    assert program.account.failure is None, "it was the attempt itself that cut it"
    asking.join(10)
    assert len(ended) == 1


def test_many_calls_at_once(program: Program) -> None:
    threads = [threading.Thread(target=program.ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # A call is settled after its program has heard the end.
    wait_until(lambda: len(program.meter.ends) == 16)
    assert len(program.server.requests) == 16


def test_nothing_of_it_is_left_when_its_process_ends() -> None:
    code = "from workers.gateway import gateway; print(gateway().door[1])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not Path(ran.stdout.strip()).parent.exists()
