"""Whatever shape a provider's answer has, it is a turn that can be gone on from, or a failure."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from conductor_app.tool_specs import TOOLS
from tests.contracts.connectors import Bench
from tests.fakes.model_server import Space, says
from tests.fakes.model_server.faults import Fault
from workers.connectors import clients
from workers.connectors.live import LiveConnector
from workers.failures import AttemptFailed
from workers.turns import Message, ToolResult, Turn

OPENING = [Message("user", "Do it.")]
ODDITIES: tuple[Any, ...] = (None, "odd")
PATHS = {"claude": "/v1/messages", "codex": "/v1/responses", "deepseek": "/chat/completions"}
Events = list[tuple[str | None, Any]]


@pytest.fixture(params=PATHS)
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


def test_every_oddity_in_an_answer(bench: Bench) -> None:
    """Each value of a good answer is left out, and then is each thing that it should not be."""
    reply = says("I look.", ("list_dir", {"path": "."}), ("search", {"pattern": "x"}))
    good = events_of(bench, bench.server.add("good", reply))
    body = b""

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body)

    # There are very many: they don't go through sockets.
    transport = httpx2.MockTransport(answer)
    http = "workers.connectors.clients.http_client"
    bench.monkeypatch.setattr(http, lambda url: httpx2.Client(transport=transport))
    clients.close_all()
    connector = bench.connect(bench.server.url("good"))

    def heard(events: Events) -> Turn | None:
        nonlocal body
        body = sent(events)
        return turn_of(connector)

    whole = heard(good)
    assert whole is not None
    failures = 0
    for number in range(len(good)):
        without = heard(good[:number] + good[number + 1 :])
        if without == whole:
            # Nothing of this event matters.
            continue
        failures += without is None
        for events in oddly(good, number):
            failures += heard(events) is None
    assert failures > 20


def test_calls_that_can_not_be_told_apart_are_not_carried_out(bench: Bench) -> None:
    """Of two with the same id one would get the other's result."""
    reply = says("", ("list_dir", {"path": "."}), ("search", {"pattern": "x"}))
    good = events_of(bench, bench.server.add("good", reply))
    first, second = (
        call.id for call in bench.connect(bench.server.url("good")).turn(OPENING, []).tool_calls
    )
    body = sent(good).replace(second.encode(), first.encode())
    headers = {"content-type": "text/event-stream"}
    bench.server.fail("odd", Fault("odd", 200, headers=headers, body=body))
    bench.server.add("odd", reply)
    assert turn_of(bench.connect(bench.server.url("odd"))) is None


THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "sig"}


@pytest.mark.parametrize("bench", ["claude"], indirect=True)
@pytest.mark.parametrize(
    ("blocks", "goes_back"),
    [
        ([THOUGHT], False),
        ([THOUGHT, {"type": "text", "text": "\n"}], False),
        ([{**THOUGHT, "signature": ""}, {"type": "text", "text": "Yes."}], False),
        ([THOUGHT, {"type": "text", "text": "Yes."}], True),
    ],
)
def test_claude_gets_no_thoughts_back_that_it_would_not_take(
    bench: Bench, blocks: list[dict[str, str]], goes_back: bool
) -> None:
    good = events_of(bench, bench.server.add("odd", says("Good.")))
    around = [event for event in good if event[0] and "content_block" not in event[0]]
    events = [
        around[0],
        *(
            ("content_block_start", {"type": "content_block_start", "index": n, "content_block": b})
            for n, b in enumerate(blocks)
        ),
        *around[1:],
    ]
    headers = {"content-type": "text/event-stream"}
    bench.server.fail("odd", Fault("odd", 200, headers=headers, body=sent(events)))
    turn = turn_of(bench.connect(bench.server.url("odd")))
    assert turn is not None
    assert (turn.raw is not None) == goes_back


LATER = {"stop_reason": None, "stop_sequence": None}


@pytest.mark.parametrize("bench", ["claude"], indirect=True)
@pytest.mark.parametrize(
    "more",
    [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "newer", "x": 1}},
        {"type": "message_delta", "delta": LATER, "usage": {"output_tokens": 3}},
        {"type": "message_delta", "delta": LATER, "usage": None},
        {"type": "newer", "x": 1},
    ],
)
def test_what_claude_says_besides_costs_no_turn(bench: Bench, more: dict[str, Any]) -> None:
    reply = says("Good.", ("list_dir", {"path": "."}))
    good = events_of(bench, bench.server.add("odd", reply))
    events = [*good[:-1], (str(more["type"]), more), good[-1]]
    headers = {"content-type": "text/event-stream"}
    bench.server.fail("odd", Fault("odd", 200, headers=headers, body=sent(events)))
    turn = turn_of(bench.connect(bench.server.url("odd")))
    assert turn is not None
    assert [call.name for call in turn.tool_calls] == ["list_dir"]


def turn_of(connector: LiveConnector) -> Turn | None:
    """A turn that can be kept and told to the provider again; None when it is said to be none."""
    try:
        turn = connector.turn(OPENING, [])
    except AttemptFailed as failure:
        assert failure.kind in ("TEMPORARY_FAILURE", "API_LIMIT")
        assert not failure.unspent
        return None
    texts = [turn.text, *(part for c in turn.tool_calls for part in (c.id, c.name))]
    assert all(isinstance(text, str) for text in texts)
    used = turn.usage
    counts = (used.input_tokens, used.output_tokens, used.cache_read_tokens)
    assert all(isinstance(count, int) and count >= 0 for count in counts)
    raw = json.loads(json.dumps(turn.raw))
    said = Message("assistant", turn.text, tool_calls=turn.tool_calls, raw=raw)
    results = tuple(ToolResult(call.id, True, "") for call in turn.tool_calls)
    connector.bound([*OPENING, said, Message("tool", results=results)], [])
    return turn


def events_of(bench: Bench, url: str) -> Events:
    """What the server answers to the connector's own request."""
    bench.connect(url).turn(OPENING, list(TOOLS.values()))
    request = bench.server.requests[-1]
    headers = {**request.headers, "accept-encoding": "identity"}
    headers = {name: headers[name] for name in headers if name not in ("host", "content-length")}
    with httpx2.Client(trust_env=False) as client:
        answer = client.post(url + PATHS[bench.name], json=request.body, headers=headers)
    found: Events = []
    for block in answer.text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines())
        data = lines["data"]
        found.append((lines.get("event"), json.loads(data) if data != "[DONE]" else data))
    return found


def sent(events: Events) -> bytes:
    blocks = [
        (f"event: {name}\n" if name else "")
        + f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n"
        for name, data in events
    ]
    return "".join(blocks).encode()


def oddly(good: Events, number: int) -> Iterator[Events]:
    """The events with one value of this one left out or odd."""
    for path in paths(good[number][1]):
        for oddity in ODDITIES:
            events = copy.deepcopy(good)
            inside(events[number][1], path[:-1])[path[-1]] = oddity
            yield events
        events = copy.deepcopy(good)
        del inside(events[number][1], path[:-1])[path[-1]]
        yield events


def paths(data: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner: Any = ()
    if isinstance(data, dict):
        inner = data.items()
    elif isinstance(data, list):
        inner = enumerate(data)
    for key, value in inner:
        yield (*before, key)
        yield from paths(value, (*before, key))


def inside(data: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        data = data[key]
    return data
