"""What every connector of a live model must do, shown with the providers' own SDKs."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conductor_app.tool_specs import TOOLS
from tests.contracts.connectors import CONNECTORS, KEY, SYSTEM, Bench
from tests.fakes.model_server import Call, Reply, Space, dripping, says
from workers.connectors import clients
from workers.failures import AttemptFailed
from workers.turns import Message, ToolCall, ToolResult, Turn

OPENING = [Message("system", SYSTEM), Message("user", "Do it.")]
ALL_TOOLS = list(TOOLS.values())
FINISH = says("", ("finish", {"summary": "all done"}))


@pytest.fixture(params=CONNECTORS)
def bench(
    request: pytest.FixtureRequest,
    model_server: Space,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Bench]:
    bench = Bench(request.param, model_server, tmp_path, monkeypatch)
    bench.give_key()
    yield bench
    clients.close_all()


def test_a_task_is_carried_out(bench: Bench) -> None:
    """Reads, a write and a command, with thoughts that must come back unchanged."""
    write = ("write_file", {"path": "a.txt", "content": "grüß dich\n"})
    connector = bench.play(
        says("I look.", ("list_dir", {"path": "."}), ("search", {"pattern": "x"}), thinking="Hm."),
        says("", write, thinking="Now."),
        says("", ("run_command", {"command": "cat a.txt"})),
        FINISH,
    )
    result = bench.execute(connector)
    assert result.summary == "all done"
    assert (bench.folder / "worktree" / "a.txt").read_text() == "grüß dich\n"
    assert [request.status for request in bench.server.requests] == [200] * 4
    assert "grüß dich" in json.dumps(bench.server.requests[-1].body, ensure_ascii=False)


def test_what_is_used_is_what_is_billed(bench: Bench) -> None:
    bench.server.cache.minimum = 0
    connector = bench.play(
        says("I look.", ("list_dir", {"path": "."}), thinking="Hm."),
        says("", ("search", {"pattern": "x"})),
        FINISH,
    )
    used, billed = bench.execute(connector).usage, bench.server.ledger.total
    assert used.input_tokens == billed.input_tokens
    assert used.output_tokens == billed.output_tokens
    assert used.cache_read_tokens == billed.cache_read_tokens > 0
    if bench.name != "deepseek":
        assert used.cache_write_tokens == billed.cache_write_tokens > 0


def test_nearly_all_of_a_long_tasks_input_is_read_from_the_cache(bench: Bench) -> None:
    """Of 20 turns with output of tools, in a project where another task came before."""
    (bench.folder / "worktree").mkdir()
    for number in range(20):
        (bench.folder / "worktree" / f"{number}.txt").write_text(f"{number}: some text.\n" * 20)
    turns = [
        says(f"Turn {number}.", ("read_file", {"path": f"{number}.txt"}), thinking="Well.")
        for number in range(19)
    ]
    bench.execute(bench.play(FINISH))
    before = bench.server.ledger.total
    bench.execute(bench.play(*turns, FINISH))
    after = bench.server.ledger.total
    read = after.cache_read_tokens - before.cache_read_tokens
    asked = after.input_tokens - before.input_tokens
    fresh = [entry.used.total - entry.used.read for entry in bench.server.ledger][2:]
    # Every turn pays for what was said since the one before, and for nothing else.
    assert max(fresh) < 400, fresh
    assert read / asked > 0.88


def test_a_turn_says_who_gave_it_and_where_to_ask(bench: Bench) -> None:
    turn = bench.play(says("One line.\nAnother one.")).turn(OPENING, ALL_TOOLS)
    assert (turn.text, turn.tool_calls, turn.stop) == ("One line.\nAnother one.", (), "done")
    assert turn.model == bench.connect(bench.server.url("echo")).model
    assert turn.request_id == bench.server.requests[-1].request_id
    assert bench.log == ["  | One line.", "  | Another one."]


def test_what_a_model_said_can_be_kept_and_sent_again(bench: Bench) -> None:
    connector = bench.play(says("I look.", ("list_dir", {"path": "."}), thinking="Hm."), FINISH)
    turn = connector.turn(OPENING, ALL_TOOLS)
    raw = json.loads(json.dumps(turn.raw))
    said = Message("assistant", turn.text, tool_calls=turn.tool_calls, raw=raw)
    results = (ToolResult(turn.tool_calls[0].id, True, ""),)
    again = bench.connect(bench.server.url("played"))
    turn = again.turn([*OPENING, said, Message("tool", results=results)], ALL_TOOLS)
    assert [call.name for call in turn.tool_calls] == ["finish"]


@pytest.mark.parametrize("of", ["nobody", *CONNECTORS])
def test_what_another_model_said_is_understood(bench: Bench, of: str) -> None:
    """A task may go on with another connector than it began with."""
    said = _foreign(of, bench)
    results = tuple(ToolResult(call.id, False, "no") for call in said.tool_calls)
    messages = [*OPENING, said, Message("tool", results=results), Message("user", "Go on.")]
    assert bench.connect(bench.server.url("echo")).turn(messages, ALL_TOOLS).text == "Go on."


def _foreign(of: str, bench: Bench) -> Message:
    if of == "nobody":
        calls = ToolCall("c1", "list_dir", {"path": "."}), ToolCall("c2", "search", "no JSON")
        return Message("assistant", "", tool_calls=calls)
    other = Bench(of, bench.server, bench.folder, bench.monkeypatch)
    other.give_key()
    turn = other.play(says("Hm.", ("list_dir", {"path": "."}))).turn(OPENING, ALL_TOOLS)
    return Message("assistant", turn.text, tool_calls=turn.tool_calls, raw=turn.raw)


def test_arguments_that_are_no_json_are_answered_for(bench: Bench) -> None:
    connector = bench.play(Reply(calls=(Call("read_file", '{"path": oops}'),)), FINISH)
    bench.execute(connector)
    assert any("read_file" in line and "failed" in line for line in bench.log)


def test_a_call_that_was_cut_is_not_carried_out(bench: Bench) -> None:
    cut = Call("write_file", '{"path": "a.txt", "content": "half')
    turn = bench.play(Reply("I write.", (cut,), stop="cut")).turn(OPENING, ALL_TOOLS)
    assert (turn.stop, turn.tool_calls, turn.raw) == ("cut", (), None)
    connector = bench.connect(bench.server.url("echo"))
    messages = [*OPENING, Message("assistant", turn.text), Message("user", "Again.")]
    assert connector.turn(messages, ALL_TOOLS).text == "Again."


def test_a_turn_of_nothing_can_be_followed(bench: Bench) -> None:
    turn = bench.play(says()).turn(OPENING, ALL_TOOLS)
    assert (turn.text, turn.stop) == ("", "done")
    said = Message("assistant", turn.text, raw=turn.raw)
    connector = bench.connect(bench.server.url("echo"))
    assert connector.turn([*OPENING, said, Message("user", "Well?")], []).text.endswith("Well?")


def test_a_refusal_is_one(bench: Bench) -> None:
    turn = bench.connect(bench.server.url("refusal")).turn(OPENING, ALL_TOOLS)
    assert (turn.stop, turn.tool_calls) == ("refused", ())


def test_the_bound_is_above_what_is_used(bench: Bench) -> None:
    bench.set("max_output_tokens", 50)
    connector = bench.play(says("long " * 1000))
    bound = connector.bound(OPENING, ALL_TOOLS)
    turn = connector.turn(OPENING, ALL_TOOLS)
    assert turn.stop == "cut"
    assert turn.usage.input_tokens <= bound.input_tokens
    assert turn.usage.output_tokens <= bound.output_tokens == 50


TEMPORARY = ("TEMPORARY_FAILURE", None, False)
# By fault: the kind of failure, the status, whether it surely cost nothing.
FAULTS = {
    "400": ("BAD_REQUEST", 400, True),
    "401": ("CREDENTIALS", 401, True),
    "402": ("SPEND_LIMIT", 402, True),
    "403": ("CREDENTIALS", 403, True),
    "404": ("BAD_REQUEST", 404, True),
    "413": ("BAD_REQUEST", 413, True),
    "429": ("API_LIMIT", 429, True),
    "429-unsaid": ("API_LIMIT", 429, True),
    "429-long": ("API_LIMIT", 429, True),
    "spend-limit": ("SPEND_LIMIT", 429, True),
    "500": ("TEMPORARY_FAILURE", 500, True),
    "502": ("TEMPORARY_FAILURE", 502, True),
    "504": ("TEMPORARY_FAILURE", 504, True),
    "529": ("API_LIMIT", 529, True),
    "529-final": ("API_LIMIT", 529, True),
    "broken-json": TEMPORARY,
    "closed": TEMPORARY,
    "no-reply": TEMPORARY,
    "empty-stream": TEMPORARY,
    "stall": TEMPORARY,
    "failed-event": TEMPORARY,
    "truncated": TEMPORARY,
    "truncated-late": TEMPORARY,
    "cut": TEMPORARY,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_has_its_kind(bench: Bench, fault: str) -> None:
    kind, status, unspent = FAULTS[fault]
    bench.set("silence", 0.5)
    failure = _fails(bench, fault)
    assert failure.kind == kind
    assert failure.http_status in (status, 200 if status is None else status)
    assert failure.retryable is (kind in ("API_LIMIT", "TEMPORARY_FAILURE"))
    assert failure.unspent is unspent
    # Once and no more: waiting is not done here.
    assert len(bench.server.requests) == 1
    if failure.http_status:
        assert failure.request_id == bench.server.requests[-1].request_id


@pytest.mark.parametrize("fault", ["error-event", "error-data"])
def test_an_error_within_a_stream(bench: Bench, fault: str) -> None:
    failure = _fails(bench, fault)
    assert failure.kind in ("API_LIMIT", "TEMPORARY_FAILURE")
    assert failure.retryable
    assert not failure.unspent


@pytest.mark.parametrize(
    ("fault", "seconds"), [("429", 1), ("429-long", 130), ("429-unsaid", None)]
)
def test_when_to_ask_again_is_kept(bench: Bench, fault: str, seconds: float | None) -> None:
    assert _fails(bench, fault).retry_after == seconds


def _fails(bench: Bench, fault: str) -> AttemptFailed:
    connector = bench.connect(bench.server.url("change", fault))
    with pytest.raises(AttemptFailed) as failure:
        connector.turn(OPENING, ALL_TOOLS)
    assert KEY not in failure.value.message
    return failure.value


def test_no_key(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("ANTHROPIC_API_KEY", "CONDUCTOR_CLAUDE2_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("DEEPSEEK_API_KEY", raising=False)
    told = r"has no key on \S+\. Set [A-Z0-9_]+_API_KEY"
    with pytest.raises(AttemptFailed, match=told) as failure:
        bench.connect(bench.server.url("echo"))
    assert (failure.value.kind, failure.value.retryable) == ("CREDENTIALS", False)


def test_a_wrong_key_is_not_repeated(bench: Bench) -> None:
    bench.give_key("wrong-0123")
    failure = bench.fails(bench.connect(bench.server.url("echo")))
    assert failure.kind == "CREDENTIALS"
    assert "_API_KEY" in failure.message
    assert "wrong-0123" not in failure.message


def test_an_unknown_model(bench: Bench) -> None:
    bench.set("model", "gpt-0")
    failure = bench.fails(bench.connect(bench.server.url("echo")))
    assert (failure.kind, failure.http_status) == ("BAD_REQUEST", 404)
    assert f"CONDUCTOR_{bench.name.upper()}_MODEL" in failure.message


def test_nobody_at_the_address(bench: Bench) -> None:
    connector = bench.connect("http://127.0.0.1:9")
    with pytest.raises(AttemptFailed, match="BASE_URL") as failure:
        connector.turn(OPENING, ALL_TOOLS)
    assert (failure.value.kind, failure.value.unspent) == ("TEMPORARY_FAILURE", True)
    wait = bench.waits(connector)
    assert (wait.kind, wait.seconds) == ("TEMPORARY_FAILURE", None)
    assert "BASE_URL" in wait.reason


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets the proxy by which this machine reaches others, and itself."""

    def by(address: str) -> None:
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("all_proxy", address)
        clients.close_all()

    return by


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "503 Unavailable"])
def test_what_a_proxy_refuses_costs_nothing(
    bench: Bench, proxied: Callable[[str], None], status: str
) -> None:
    def refuse(server: socket.socket) -> None:
        with server.accept()[0] as one:
            assert one.recv(65536).startswith(b"CONNECT ")
            one.sendall(f"HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n".encode())

    with socket.create_server(("127.0.0.1", 0)) as server:
        proxied(f"http://127.0.0.1:{server.getsockname()[1]}")
        refusing = threading.Thread(target=refuse, args=(server,))
        refusing.start()
        with pytest.raises(AttemptFailed, match="proxy") as failure:
            bench.connect("https://127.0.0.1:9").turn(OPENING, [])
        refusing.join()
    assert (failure.value.kind, failure.value.unspent) == ("TEMPORARY_FAILURE", True)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1:9", "TEMPORARY_FAILURE"),
        ("proxy.invalid:9", "TEMPORARY_FAILURE"),
        ("socks5://127.0.0.1:9", "BAD_REQUEST"),
        ("http://127.0.0.1:99999", "BAD_REQUEST"),
        ("http://", "BAD_REQUEST"),
    ],
)
def test_a_proxy_that_can_not_be_used_costs_nothing(
    bench: Bench, proxied: Callable[[str], None], address: str, kind: str
) -> None:
    proxied(address)
    with pytest.raises(AttemptFailed) as failure:
        bench.connect("https://127.0.0.1:9").turn(OPENING, [])
    assert (failure.value.kind, failure.value.unspent) == (kind, True), failure.value.message


def test_no_other_machine_is_called_in_tests(bench: Bench) -> None:
    failure = bench.fails(bench.connect("https://models.example.invalid"))
    assert "CONDUCTOR_LIVE_CALLS" in failure.message


@pytest.mark.parametrize("fault", ["no-reply", "stall"])
def test_cancelled_while_it_waits(bench: Bench, fault: str) -> None:
    connector = bench.connect(bench.server.url("change", fault))
    stopped = threading.Event()
    threading.Timer(0.3, stopped.set).start()
    began = time.monotonic()
    assert bench.fails(connector, cancelled=stopped.is_set).kind == "CANCELLED"
    assert time.monotonic() - began < 2


@contextmanager
def deaf_server() -> Iterator[str]:
    """One that takes a connection and reads nothing of it."""
    with socket.socket() as deaf:
        # So that not all of a request fits in there unread.
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        yield f"http://127.0.0.1:{deaf.getsockname()[1]}"


def test_cancelled_while_nobody_takes_what_it_sends(bench: Bench) -> None:
    with deaf_server() as url:
        connector = bench.connect(url)
        stopped = threading.Event()
        connector.limit(stopped.is_set, float("inf"))
        threading.Timer(0.5, stopped.set).start()
        began = time.monotonic()
        with pytest.raises(AttemptFailed) as failure:
            connector.turn([Message("user", "x" * 20_000_000)], ALL_TOOLS)
    assert failure.value.kind == "CANCELLED"
    assert time.monotonic() - began < 5


def test_who_takes_nothing_for_too_long_is_given_up(bench: Bench) -> None:
    bench.set("silence", 0.5)
    with deaf_server() as url:
        connector = bench.connect(url)
        with pytest.raises(AttemptFailed) as failure:
            connector.turn([Message("user", "x" * 20_000_000)], ALL_TOOLS)
    assert failure.value.kind == "TEMPORARY_FAILURE"
    assert "silent for too long" in failure.value.message


def test_cancelled_before_it_called_costs_nothing(bench: Bench) -> None:
    connector = bench.connect(bench.server.url("echo"))
    for limits, kind in (
        ((lambda: True, float("inf")), "CANCELLED"),
        ((lambda: False, 0.0), "TIMEOUT"),
    ):
        connector.limit(*limits)
        with pytest.raises(AttemptFailed) as failure:
            connector.turn(OPENING, ALL_TOOLS)
        assert (failure.value.kind, failure.value.unspent) == (kind, True)
    assert not bench.server.requests


def test_how_many_turns_it_has_is_a_setting(bench: Bench) -> None:
    bench.set("max_turns", 2)
    failure = bench.fails(bench.play(*[says("", ("list_dir", {"path": "."}))] * 2, FINISH))
    assert failure.kind == "TOOL_LIMIT"
    assert len(bench.server.requests) == 2


def test_the_deadline_ends_a_stream_that_never_pauses_for_long(bench: Bench) -> None:
    script = bench.server.add("slow", says("word " * 200))
    bench.server.fail("slow", dripping(0.05))
    connector = bench.connect(script)
    began = time.monotonic()
    failure = bench.fails(connector, deadline=began + 0.5)
    assert failure.kind == "TIMEOUT"
    assert time.monotonic() - began < 2


def test_threads_share_a_client_and_a_closed_one_is_made_anew(bench: Bench) -> None:
    connector = bench.connect(bench.server.url("echo"))
    turns: list[Turn] = []
    threads = [
        threading.Thread(target=lambda: turns.append(connector.turn(OPENING, []))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [turn.text for turn in turns] == ["Do it."] * 8
    assert clients.open_here() == 1
    clients.close_all()
    assert clients.open_here() == 0
    assert connector.turn(OPENING, []).text == "Do it."
