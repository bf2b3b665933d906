"""Scripted models: whole conversations, bad manners, verdicts, slow ones, and the process."""

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.model_server import Ask, Reply, Space, says, verdicts
from tests.sdk_calls import CLAUDE, FLASH, HELLO, SOL, ask_claude, claude, gpt, stream_claude

ROOT = Path(__file__).parents[2]
CONDUCTORS = ("list_dir", "read_file", "write_file", "run_command", "finish")
TURNS = (
    says("I read.", ("read_file", {"path": "a.py"}), ("list_dir", {"path": "."})),
    says("I write.", ("write_file", {"path": "a.py", "content": "A = 1\n"})),
    says("", ("finish", {"summary": "A is one."})),
)
Calls = list[tuple[str, Any]]


def by_claude(url: str, tools: Sequence[str]) -> Calls:
    """The calls of a whole conversation, each answered with its own name."""
    messages: list[Any] = list(HELLO)
    offered: Any = [{"name": name, "input_schema": {"type": "object"}} for name in tools]
    made: Calls = []
    while True:
        answer = claude(url).messages.create(
            model=CLAUDE, max_tokens=900, messages=messages, tools=offered
        )
        calls = [block for block in answer.content if block.type == "tool_use"]
        made += [(call.name, call.input) for call in calls]
        if answer.stop_reason != "tool_use":
            return made
        results = [
            {"type": "tool_result", "tool_use_id": call.id, "content": call.name} for call in calls
        ]
        messages += [answer.to_param(), {"role": "user", "content": results}]


def by_gpt(url: str, tools: Sequence[str]) -> Calls:
    items: list[Any] = [{"role": "user", "content": "hello"}]
    schema = {"type": "object"}
    offered: Any = [{"type": "function", "name": name, "parameters": schema} for name in tools]
    made: Calls = []
    while True:
        answer = gpt(url).responses.create(model=SOL, input=items, tools=offered, store=False)
        items += [item.to_dict() for item in answer.output]
        calls = [item for item in answer.output if item.type == "function_call"]
        made += [(call.name, json.loads(call.arguments)) for call in calls]
        if not calls:
            return made
        items += [
            {"type": "function_call_output", "call_id": call.call_id, "output": call.name}
            for call in calls
        ]


def by_deepseek(url: str, tools: Sequence[str]) -> Calls:
    messages: list[Any] = list(HELLO)
    offered: Any = [{"type": "function", "function": {"name": name}} for name in tools]
    made: Calls = []
    while True:
        answer = gpt(url).chat.completions.create(model=FLASH, messages=messages, tools=offered)
        said: Any = answer.choices[0].message.to_dict()
        messages.append(said)
        calls = [(call["id"], call["function"]) for call in said.get("tool_calls", ())]
        made += [(call["name"], json.loads(call["arguments"])) for _, call in calls]
        if not calls:
            return made
        messages += [
            {"role": "tool", "tool_call_id": identifier, "content": call["name"]}
            for identifier, call in calls
        ]


MODELS = {"claude": by_claude, "gpt": by_gpt, "deepseek": by_deepseek}
every_model = pytest.mark.parametrize("model", MODELS)


@every_model
def test_turns_are_carried_out_in_order(model_server: Space, model: str) -> None:
    url = model_server.add("work", *TURNS)
    expected = [(call.name, call.arguments) for turn in TURNS for call in turn.calls]
    assert MODELS[model](url, CONDUCTORS) == expected
    # A conversation begins at the beginning, whatever was said in others.
    assert MODELS[model](url, CONDUCTORS) == expected


@every_model
def test_a_script_sees_the_request_in_no_provider_s_words(model_server: Space, model: str) -> None:
    seen: list[Ask] = []

    def script(ask: Ask) -> Reply:
        seen.append(ask)
        return TURNS[0] if ask.turn == 1 else says("done")

    MODELS[model](model_server.add("own", script=script), CONDUCTORS)
    assert [(ask.turn, ask.number) for ask in seen] == [(1, 1), (2, 2)]
    assert [result.text for result in seen[1].results] == ["read_file", "list_dir"]
    assert seen[0].prompt.startswith("hello")
    assert tuple(seen[0].tools) == CONDUCTORS


@pytest.mark.parametrize("shell", ["Bash", "exec_command", "shell"])
def test_programs_with_a_shell_are_told_commands(
    model_server: Space, tmp_path: Path, shell: str
) -> None:
    url = model_server.add(
        "work",
        *TURNS[:2],
        says("", ("edit_file", {"path": "a.py", "old": "1", "new": "2"})),
        *TURNS[2:],
    )
    (tmp_path / "a.py").touch()
    for name, given in by_gpt(url, [shell]):
        assert name == shell
        line = given.get("command") or given["cmd"]
        arguments = line if isinstance(line, list) else ["bash", "-c", line]
        subprocess.run(arguments, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "a.py").read_text() == "A = 2\n"


def test_turns_are_counted_on_when_the_beginning_was_compacted_away(model_server: Space) -> None:
    url = model_server.add("work", *TURNS)
    call: Any = {"type": "tool_use", "id": "toolu_0002_0", "name": "write_file", "input": {}}
    result: Any = {"type": "tool_result", "tool_use_id": "toolu_0002_0", "content": "ok"}
    answer = claude(url).messages.create(
        model=CLAUDE,
        max_tokens=99,
        messages=[
            {"role": "user", "content": "So far you have read."},
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [result]},
        ],
    )
    assert [block.type == "tool_use" and block.name for block in answer.content] == ["finish"]


def test_retries_don_t_lose_a_turn(model_server: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    model_server.add("work", *TURNS)
    for fault in ("529@2", "closed@1", "429@1,3"):
        calls = by_claude(model_server.url("work", fault), CONDUCTORS)
        assert [name for name, _ in calls] == ["read_file", "list_dir", "write_file", "finish"]


def test_bad_manners(model_server: Space) -> None:
    def stop(scenario: str) -> tuple[Any, list[str]]:
        answer = ask_claude(model_server.url(scenario))
        return answer.stop_reason, [block.type for block in answer.content]

    assert stop("prose") == ("end_turn", ["text"])
    assert stop("empty") == ("end_turn", [])
    assert stop("refusal") == ("refusal", [])
    assert stop("cut") == ("max_tokens", ["text", "tool_use"])
    assert stop("unknown-tool") == ("tool_use", ["tool_use"])
    assert ask_claude(model_server.url("refusal")).stop_details
    response = gpt(model_server.url("broken-arguments")).responses.create(model=SOL, input="hi")
    [call] = response.output
    assert call.type == "function_call"
    with pytest.raises(json.JSONDecodeError):
        json.loads(call.arguments)
    with pytest.raises(ValueError, match="Unable to parse tool parameter JSON"):
        stream_claude(model_server.url("broken-arguments"))


def test_a_model_that_never_stops_calls_on(model_server: Space) -> None:
    calls: set[str] = set()
    messages: list[Any] = list(HELLO)
    for _ in range(30):
        answer = claude(model_server.url("loop")).messages.create(
            model=CLAUDE, max_tokens=99, messages=messages
        )
        call = answer.content[-1]
        assert answer.stop_reason == "tool_use" and call.type == "tool_use"
        calls.add(call.id)
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "the same"}
        messages += [answer.to_param(), {"role": "user", "content": [result]}]
    assert len(calls) == 30


def test_ten_megabytes_of_output(model_server: Space) -> None:
    answer = stream_claude(model_server.url("huge"))
    assert answer.usage.output_tokens == 2_500_000
    [block] = answer.content
    assert block.type == "text" and len(block.text) == 10_000_000


@pytest.mark.parametrize("limit", [1, 5, 12])
def test_no_reply_is_longer_than_allowed(model_server: Space, limit: int) -> None:
    url = model_server.add("work", says("I look at it.", ("read_file", {"path": "a" * 40})))
    answer = claude(url).messages.create(model=CLAUDE, max_tokens=limit, messages=HELLO)
    assert answer.stop_reason == "max_tokens"
    assert 0 < answer.usage.output_tokens <= limit
    response = gpt(url).responses.create(model=SOL, input="hi", max_output_tokens=limit)
    assert response.incomplete_details and response.usage
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.usage.output_tokens <= limit


VERDICT: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "verdict": {"type": "string", "enum": ["pass", "revise"]},
        "score": {"type": "integer", "minimum": 0, "maximum": 5},
        "missing": {"type": "array", "items": {"type": "string"}},
        "safe": {"type": "boolean"},
    },
}
GOOD = {"verdict": "pass", "score": 5, "missing": [], "safe": True}


def test_verdicts_fill_in_the_schema_that_is_asked_for(model_server: Space) -> None:
    url = model_server.add("judge", script=verdicts(False, True, {"own": "words"}))
    output: Any = {"format": {"type": "json_schema", "schema": VERDICT}}
    given = []
    for _ in range(3):
        answer = claude(url).messages.create(
            model=CLAUDE, max_tokens=500, messages=HELLO, output_config=output
        )
        [block] = answer.content
        assert block.type == "text"
        given.append(json.loads(block.text))
    bad, good, own = given
    assert (bad["verdict"], bad["score"], bad["safe"]) == ("revise", 0, False)
    assert len(bad["missing"]) == 1
    assert good == GOOD
    assert own == {"own": "words"}


def test_verdicts_may_be_asked_for_as_a_tool_s_arguments(model_server: Space) -> None:
    tools: Any = [{"name": "report", "input_schema": VERDICT}]
    answer = claude(model_server.url("verdict-pass")).messages.create(
        model=CLAUDE,
        max_tokens=500,
        messages=HELLO,
        tools=tools,
        tool_choice={"type": "tool", "name": "report"},
    )
    [block] = answer.content
    assert block.type == "tool_use" and block.input == GOOD


def test_slow_models_keep_nobody_else_waiting(model_server: Space) -> None:
    slow = replace(says("at last"), delay=0.5)
    url = model_server.add("slow", slow)
    began = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(ask_claude, url) for _ in range(20)]
        ask_claude(model_server.url("echo"))
        quick = time.monotonic() - began
        assert all(future.result().stop_reason == "end_turn" for future in waiting)
    assert quick < 0.5 <= time.monotonic() - began < 5


def test_every_test_has_a_space_of_its_own(model_server_of_session: Any) -> None:
    with model_server_of_session.space() as one, model_server_of_session.space() as other:
        one.fail("echo", "529")
        assert ask_claude(other.url("echo")).stop_reason == "end_turn"
        assert (len(one.requests), len(other.requests)) == (0, 1)
        assert (len(one.ledger), len(other.ledger)) == (0, 1)


def test_requests_are_remembered(model_server: Space) -> None:
    ask_claude(model_server.url("echo"))
    [request] = model_server.requests
    assert (request.scenario, request.number, request.attempt) == ("echo", 1, 1)
    assert request.body["messages"] == HELLO
    assert request.headers["anthropic-version"] == "2026-10-21"
    assert (request.key, request.status, request.fault) == ("k", 200, None)


def test_it_runs_as_a_process_too(tmp_path: Path) -> None:
    turns = [{"text": "I look.", "calls": [["list_dir", {"path": "."}]]}, {"text": "Done."}]
    (tmp_path / "turns.json").write_text(json.dumps(turns))
    command = [sys.executable, "-m", "tests.fakes.model_server"]
    script = f"look={tmp_path / 'turns.json'}"
    with subprocess.Popen(
        [*command, "--script", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        address = process.stdout.readline().strip()
        try:
            assert by_claude(f"{address}/look", CONDUCTORS) == [("list_dir", {"path": "."})]
            bill = claude(address).get("/ledger", cast_to=object)
        finally:
            process.terminate()
    assert process.returncode == 0
    assert isinstance(bill, dict) and bill["total"]["requests"] == 2


def test_a_turn_costs_a_client_little_time(model_server: Space) -> None:
    """The tenth of the quickest, for the machine may be busy."""
    client = claude(model_server.url("echo"))

    def seconds() -> float:
        began = time.perf_counter()
        client.messages.create(model=CLAUDE, max_tokens=99, messages=HELLO)
        return time.perf_counter() - began

    taken = sorted(itertools.starmap(seconds, [()] * 200))
    assert taken[20] < 0.01
