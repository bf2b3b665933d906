"""Recordings are found by their place, read whole, and a broken one says where and what to do."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conductor_app.domain.workflow import AgentSpec, Workflow
from conductor_app.recording_lines import CorruptRecording
from conductor_app.recordings import (
    BUILT_IN,
    last_recorded_phase,
    read_recording,
    recorded_attempts,
    recorded_here,
    recorded_tasks,
    recording_file,
    root_of,
)
from conductor_app.settings import Settings

HEADER: dict[str, Any] = {
    "type": "recording",
    "format": 1,
    "workflow": "demo",
    "task": "0/base-types",
    "attempt": 1,
    "author": "people",
}
WRITE: dict[str, Any] = {
    "type": "turn",
    "text": "I write.",
    "tool_calls": [{"id": "c1", "name": "write_file", "arguments": {"path": "a", "content": ""}}],
    "usage": {"input_tokens": 12, "output_tokens": 3},
}
WRITTEN: dict[str, Any] = {"type": "result", "id": "c1", "ok": True}
FINISH: dict[str, Any] = {
    "type": "turn",
    "tool_calls": [{"id": "c2", "name": "finish", "arguments": {"summary": "done"}}],
}
GOOD = [HEADER, WRITE, WRITTEN, FINISH]

Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Writes lines, given as objects or as text, to a recording's file."""

    def write(lines: list[Any], name: str = "demo/0-base-types.1.jsonl") -> Path:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        file.write_text("\n".join(texts) + "\n")
        return file

    return write


def test_a_good_recording_is_read(save: Save) -> None:
    recording = read_recording(save([*GOOD[:2], "", *GOOD[2:]]))
    assert recording.header.author == "people"
    assert [turn.line for turn in recording.turns] == [2, 5]
    assert recording.turns[0].said.usage.input_tokens == 12
    assert recording.turns[0].expected["c1"].ok


@pytest.mark.parametrize(
    ("lines", "line", "words"),
    [
        ([], 1, "empty"),
        (["{"], 1, "Invalid JSON"),
        (["[]"], 1, "should be an object"),
        ([WRITE, WRITTEN, FINISH], 1, "must be the header"),
        ([HEADER | {"format": 2}, WRITE], 1, "format: Input should be 1"),
        ([HEADER | {"task": "0/other"}, FINISH], 1, "should be demo/0-other.1.jsonl"),
        ([HEADER | {"attempt": 2}, FINISH], 1, "should be demo/0-base-types.2.jsonl"),
        ([HEADER | {"workflow": "x"}, FINISH], 1, "should be x/0-base-types.1.jsonl"),
        ([HEADER], 1, "the end is missing"),
        ([HEADER, WRITE, WRITTEN], 3, "the end is missing"),
        ([HEADER, WRITTEN, FINISH], 2, "a turn is expected"),
        ([HEADER, HEADER, FINISH], 2, "a turn is expected"),
        ([HEADER, WRITE, FINISH], 2, "the result of call c1 is missing"),
        ([HEADER, WRITE, WRITTEN, WRITTEN, FINISH], 4, "c1 has a second result"),
        ([HEADER, WRITE, WRITTEN | {"id": "c9"}, FINISH], 3, "has no call c9"),
        ([HEADER, WRITE, WRITTEN | {"ok": "yes"}, FINISH], 3, "ok: Input should be a valid bool"),
        ([HEADER, WRITE, WRITTEN | {"contain": []}, FINISH], 3, "contain: Extra inputs"),
        ([HEADER, {"type": "thought"}, FINISH], 2, "thought"),
        ([HEADER, WRITE | {"usage": {"input_tokens": -1}}], 2, "greater than or equal to 0"),
        ([HEADER, FINISH | {"tool_calls": FINISH["tool_calls"] * 2}], 2, "the same id"),
        ([HEADER, WRITE, WRITTEN, json.dumps(FINISH)[:40]], 4, "Invalid JSON"),
    ],
)
def test_a_broken_recording_says_where_and_what(
    save: Save, lines: list[Any], line: int, words: str
) -> None:
    file = save(lines)
    with pytest.raises(CorruptRecording) as problem:
        read_recording(file)
    assert problem.value.message.startswith(f"{file}, line {line}: ")
    assert words in problem.value.message
    assert "Put the file back" in problem.value.message


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    file = tmp_path / "0-a.1.jsonl"
    file.write_bytes(b"\xff\xfe\n")
    with pytest.raises(CorruptRecording, match="line 1"):
        read_recording(file)


def test_a_directory_in_a_recordings_place(tmp_path: Path) -> None:
    (tmp_path / "0-a.1.jsonl").mkdir()
    with pytest.raises(CorruptRecording, match="can't be read"):
        read_recording(tmp_path / "0-a.1.jsonl")


def test_recordings_are_found_by_name(save: Save, tmp_path: Path) -> None:
    for name in ("0-a.1", "0-a.2", "1-b-c.1", "1-d.2", "10-e.1"):
        save([], f"demo/{name}.jsonl")
    for name in ("0-a.jsonl", "0-a.0.jsonl", "notes.md", "a.1.jsonl"):
        save([], f"demo/{name}")
    assert recorded_attempts("demo", tmp_path) == {
        "0/a": (1, 2),
        "1/b-c": (1,),
        "1/d": (2,),
        "10/e": (1,),
    }
    assert recorded_tasks("demo", tmp_path) == {"0/a", "1/b-c", "10/e"}
    assert recorded_tasks("unheard-of", tmp_path) == set()


BUNDLED = "project-conductor"


def test_own_recordings_go_before_the_bundled_ones(home: Path) -> None:
    """Of the phases that they have; for the others there are the bundled ones."""
    settings = Settings.load()
    own = settings.places.recordings
    (own / BUNDLED).mkdir(parents=True)
    assert root_of(BUNDLED, 0, settings) == BUILT_IN
    of_phase_0 = {task for task in recorded_tasks(BUNDLED) if task.startswith("0/")}
    first, *others = sorted(of_phase_0)
    recording_file(BUNDLED, first, 1, own).touch()
    assert root_of(BUNDLED, 0, settings) == BUILT_IN
    for task in others:
        recording_file(BUNDLED, task, 1, own).touch()
    assert (root_of(BUNDLED, 0, settings), root_of(BUNDLED, 1, settings)) == (own, BUILT_IN)
    assert recorded_here(BUNDLED, settings) == recorded_tasks(BUNDLED)
    assert root_of("of-ones-own", 0, settings) == own


def test_where_the_settings_say_is_the_only_place(tmp_path: Path) -> None:
    settings = Settings.load(recordings=tmp_path)
    assert root_of(BUNDLED, 0, settings) == tmp_path
    assert recorded_here(BUNDLED, settings) == set()


def test_a_tasks_file() -> None:
    assert recording_file("demo", "1/b-c", 2, Path("r")) == Path("r/demo/1-b-c.2.jsonl")


@pytest.mark.parametrize(
    ("recorded", "last"),
    [
        ((), None),
        (("0-a",), None),
        (("0-a", "0-b"), 0),
        (("1-c",), None),
        (("0-a", "0-b", "1-c"), 2),
    ],
)
def test_the_last_phase_that_replay_reaches(
    save: Save, tmp_path: Path, recorded: tuple[str, ...], last: int | None
) -> None:
    """Phase 2 has only a task of an agent that is a function; phase 3 has nothing recorded."""
    for name in recorded:
        save([], f"demo/{name}.1.jsonl")
    tasks = {0: ("a", "b"), 1: ("c",), 2: ("f",), 3: ("d",)}
    workflow = Workflow.model_validate(
        {
            "name": "demo",
            "title": "Demo",
            "agents": {"python": {"function": "pkg:Class"}},
            "phases": [
                {
                    "number": number,
                    "name": str(number),
                    "tasks": [
                        {"key": key, "title": key, "agent": "python" if key == "f" else "api"}
                        for key in keys
                    ],
                }
                for number, keys in tasks.items()
            ],
        },
        strict=False,
    )
    found = recorded_tasks("demo", tmp_path)
    assert last_recorded_phase(workflow, {"api": AgentSpec(name="api")}, found) == last


@pytest.mark.parametrize(
    "file", sorted(BUILT_IN.rglob("*.jsonl")), ids=lambda file: f"{file.parent.name}/{file.name}"
)
def test_every_recording_that_ships_is_whole_and_says_who_wrote_it(file: Path) -> None:
    header = read_recording(file).header
    assert header.author == "people"
    assert "not by a model" in header.note
