"""Replay plays what was recorded, and says so when it no longer fits or is not there."""

import json
from pathlib import Path
from typing import Any

import pytest

from conductor_app.tool_specs import TOOLS
from tests.fakes.attempts import agent_context, agent_task
from workers.connectors import open_connector
from workers.connectors.base import Model
from workers.connectors.replay import ReplayConnector
from workers.failures import AttemptFailed
from workers.turns import ToolResult, Usage

RUN = {"id": "c1", "name": "run_command", "arguments": {"command": "pytest -q"}}


def record(root: Path, attempt: int = 1, **expected: Any) -> None:
    """A recording of task 0/a of `demo` with one command, its expectation, and finish."""
    lines: list[dict[str, Any]] = [
        {
            "type": "recording",
            "format": 1,
            "workflow": "demo",
            "task": "0/a",
            "attempt": attempt,
            "author": "people",
        },
        {
            "type": "turn",
            "text": f"attempt {attempt}",
            "tool_calls": [RUN],
            "usage": {"input_tokens": 1200, "output_tokens": 340, "cache_read_tokens": 1000},
        },
        {"type": "result", "id": "c1", **({"ok": True} | expected)},
        {
            "type": "turn",
            "tool_calls": [{"id": "c2", "name": "finish", "arguments": {"summary": "done"}}],
        },
    ]
    file = root / "demo" / f"0-a.{attempt}.jsonl"
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join(map(json.dumps, lines)))


def replay(root: Path, failures: int = 0) -> Model:
    connector = open_connector(
        "replay", workflow="demo", task="0/a", failures=failures, recordings=root
    )
    assert isinstance(connector, Model)
    return connector


def result(output: str = "3 passed", *, ok: bool = True, exit_code: int | None = 0) -> ToolResult:
    return ToolResult("c1", ok, output, exit_code)


def test_turns_are_played_with_their_usage(tmp_path: Path) -> None:
    record(tmp_path)
    connector = replay(tmp_path)
    turn = connector.turn([], list(TOOLS.values()))
    assert (turn.text, turn.model, turn.usage) == ("attempt 1", "replay", Usage(1200, 340, 1000))
    assert [(call.id, call.name) for call in turn.tool_calls] == [("c1", "run_command")]
    connector.observe([result()])
    assert connector.turn([], []).tool_calls[0].name == "finish"
    connector.observe([ToolResult("c2", True, "")])
    assert not connector.live


def test_the_attempt_is_the_number_of_reported_failures_and_one(tmp_path: Path) -> None:
    record(tmp_path, 1)
    record(tmp_path, 2)
    assert replay(tmp_path, failures=1).turn([], []).text == "attempt 2"


@pytest.mark.parametrize(
    ("expected", "real", "words"),
    [
        ({}, result(ok=False, exit_code=1), "expected success, got a fault"),
        ({"ok": False}, result(), "expected a fault, got success"),
        ({"exit_code": 0}, result(ok=False, exit_code=2), "expected exit code 0, got 2"),
        ({"ok": False, "exit_code": 1}, result(ok=False, exit_code=None), "got None"),
        ({"contains": ["3 passed", "ok"]}, result(), "expected 'ok' in the output"),
    ],
)
def test_a_result_that_is_not_as_recorded_fails(
    tmp_path: Path, expected: dict[str, Any], real: ToolResult, words: str
) -> None:
    record(tmp_path, **expected)
    connector = replay(tmp_path)
    connector.turn([], [])
    with pytest.raises(AttemptFailed) as failure:
        connector.observe([real])
    assert failure.value.kind == "RECORDING_MISMATCH"
    assert "0-a.1.jsonl no longer fits: line 2, turn 1, call c1 of run_command" in str(
        failure.value
    )
    assert words in failure.value.message
    assert failure.value.detail == real.text


@pytest.mark.parametrize(
    ("expected", "real"),
    [
        ({"contains": ["3 passed"], "exit_code": 0}, result()),
        ({"ok": False, "exit_code": 1}, result(ok=False, exit_code=1)),
        ({"ok": False, "contains": ["exit code 1"]}, result(ok=False, exit_code=1)),
    ],
)
def test_a_result_as_recorded_passes(
    tmp_path: Path, expected: dict[str, Any], real: ToolResult
) -> None:
    record(tmp_path, **expected)
    connector = replay(tmp_path)
    connector.turn([], [])
    connector.observe([real])


def test_work_that_goes_on_after_the_recording_fails(tmp_path: Path) -> None:
    record(tmp_path)
    connector = replay(tmp_path)
    connector.turn([], [])
    connector.turn([], [])
    with pytest.raises(AttemptFailed, match="ends after turn 2") as failure:
        connector.turn([], [])
    assert failure.value.kind == "RECORDING_MISMATCH"


def test_a_recording_of_very_many_turns_is_played_to_its_end(tmp_path: Path) -> None:
    """Whoever recorded it had allowed more of them than are usual."""
    record(tmp_path)
    file = tmp_path / "demo" / "0-a.1.jsonl"
    header, *_, finish = file.read_text().splitlines()
    lines = [header]
    for number in range(90):
        arguments = {"path": str(number), "content": ""}
        call = {"id": "c1", "name": "write_file", "arguments": arguments}
        lines.append(json.dumps({"type": "turn", "tool_calls": [call]}))
        lines.append(json.dumps({"type": "result", "id": "c1", "ok": True}))
    file.write_text("\n".join([*lines, finish]))
    connector = replay(tmp_path)
    assert isinstance(connector, ReplayConnector)
    context = agent_context(tmp_path, connector=connector, task=agent_task(), system="S")
    assert connector.execute("Do it.", context).turns == 91


@pytest.mark.parametrize(
    ("recorded", "failures", "words"),
    [
        ((), 0, r"Attempt 1 at 0/a of demo is not recorded \(no attempt of it is\)"),
        ((1,), 1, r"Attempt 2 .* \(only attempt 1 of it is"),
        ((1, 2), 2, r"Attempt 3 .* \(only attempt 1, 2 of it is"),
    ],
)
def test_what_is_not_recorded_is_never_made_up(
    tmp_path: Path, recorded: tuple[int, ...], failures: int, words: str
) -> None:
    for attempt in recorded:
        record(tmp_path, attempt)
    with pytest.raises(AttemptFailed, match=words) as failure:
        replay(tmp_path, failures)
    assert failure.value.kind == "RECORDING_MISSING"
    assert "0-a." in failure.value.message


def test_a_corrupt_recording_fails_the_attempt_with_its_line(tmp_path: Path) -> None:
    record(tmp_path)
    file = tmp_path / "demo" / "0-a.1.jsonl"
    file.write_text(file.read_text()[:-20])
    with pytest.raises(AttemptFailed, match=r"0-a\.1\.jsonl, line 4") as failure:
        replay(tmp_path)
    assert failure.value.kind == "RECORDING_MISMATCH"


def test_the_log_says_that_it_is_a_replay(tmp_path: Path) -> None:
    record(tmp_path)
    connector = replay(tmp_path)
    lines: list[str] = []
    connector.set_log_callback(lines.append)
    connector.turn([], [])
    assert lines == ["replay of 0-a.1.jsonl, written by people"]


def test_an_unknown_connector_names_the_known_ones() -> None:
    words = "no connector 'oracle'; there are claude, "
    with pytest.raises(AttemptFailed, match=words) as failure:
        open_connector("oracle", workflow="w", task="0/a", failures=0)
    assert not failure.value.retryable


def test_usage_adds_up_and_knows_when_there_is_none() -> None:
    assert Usage(1, 2, 3, 4) + Usage(10, 20, 30, 40) == Usage(11, 22, 33, 44)
    assert Usage(1, 2, 1).tokens == 3
    assert not Usage()
    assert Usage(cost_nano_usd=1)
