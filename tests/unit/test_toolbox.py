"""Every call gets exactly one result, in order, whatever it says and whatever goes wrong."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from conductor_app.errors import ConductorError
from conductor_app.tool_specs import TOOLS
from workers.failures import AttemptFailed
from workers.sandbox import Level, Sandbox, SandboxFailed, SandboxUnavailable
from workers.tools import toolbox as module
from workers.tools.performers import PERFORMERS
from workers.tools.toolbox import Toolbox
from workers.tools.workplace import Answer, Workplace
from workers.turns import ToolCall, ToolResult


def workplace(tmp_path: Path, **changes: Any) -> Workplace:
    root = tmp_path / "worktree"
    root.mkdir(exist_ok=True)
    given: dict[str, Any] = {
        "worktree": root,
        "sandbox": Sandbox(Level.UNCONFINED),
        "artifacts": tmp_path / "artifacts",
        "cancelled": lambda: False,
        "deadline": time.monotonic() + 60,
    }
    return Workplace(**(given | changes))


def perform(tools: Toolbox, *calls: tuple[str, Any]) -> tuple[ToolResult, ...]:
    return tools.perform(
        [ToolCall(f"c{number}", *call) for number, call in enumerate(calls, start=1)]
    )


def test_every_tool_but_those_of_the_loop_has_a_performer() -> None:
    assert set(PERFORMERS) | {"finish", "ask"} == set(TOOLS)


def test_results_come_in_the_order_of_the_calls(tmp_path: Path) -> None:
    results = perform(
        Toolbox(workplace(tmp_path)),
        ("finish", {"summary": "early"}),
        ("write_file", {"path": "f", "content": "text"}),
        ("read_file", {"path": "f"}),
        ("list_dir", {"path": "."}),
    )
    assert [result.call_id for result in results] == ["c1", "c2", "c3", "c4"]
    assert all(result.ok for result in results)
    assert [result.output for result in results[2:]] == ["text", "f"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (("rm", {}), "There is no tool 'rm'; there are list_dir, read_file"),
        (("read_file", "src"), "must be an object"),
        (("read_file", None), "must be an object"),
        (("read_file", {}), "`path` is missing. read_file takes path (string), start (integer, op"),
        (("read_file", {"path": 3}), "`path` must be a text"),
        (("read_file", {"path": ""}), "`path` must be longer than nothing"),
        (("read_file", {"path": "f", "start": 0}), "`start` must be at least 1"),
        (("read_file", {"path": "f", "start": True}), "`start` must be a whole number"),
        (("read_file", {"path": "f", "lines": 3}), "`lines` is not known"),
        (("run_command", {"command": "ls", "timeout": 601}), "`timeout` must be at most 600"),
        (("search", {"pattern": "a" * 1001}), "`pattern` must be at most 1000"),
        (("edit_file", {"path": "f", "old": "a", "new": "b", "replace_all": 1}), "true or false"),
        (("finish", {"summary": "x", "status": "maybe"}), "must be one of done, failed"),
    ],
)
def test_calls_that_make_no_sense_are_told_what_is_allowed(
    tmp_path: Path, call: tuple[str, Any], words: str
) -> None:
    (result,) = perform(Toolbox(workplace(tmp_path)), call)
    assert not result.ok
    assert words in result.output


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    (result,) = perform(Toolbox(workplace(tmp_path)), ("write_file", {"path": 1, "text": "x"}))
    assert all(name in result.output for name in ("`content`", "`text`", "`path`"))


def test_a_tool_that_breaks_gives_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(arguments: dict[str, Any], place: Workplace) -> Answer:
        raise RuntimeError("wires crossed")

    monkeypatch.setattr(module, "PERFORMERS", {"list_dir": broken})
    (result,) = perform(Toolbox(workplace(tmp_path)), ("list_dir", {"path": "."}))
    assert (result.ok, result.output) == (False, "list_dir failed: RuntimeError: wires crossed")


@pytest.mark.parametrize("command", [f": {'x' * 140_000}", "echo a\0b", "echo \ud800"])
def test_a_command_that_no_machine_takes_is_the_models_fault(tmp_path: Path, command: str) -> None:
    (result,) = perform(Toolbox(workplace(tmp_path)), ("run_command", {"command": command}))
    assert not result.ok and result.output.startswith("The command ")


@pytest.mark.parametrize(
    ("problem", "kind"),
    [(SandboxFailed, "TEMPORARY_FAILURE"), (SandboxUnavailable, "SANDBOX_UNAVAILABLE")],
)
def test_a_sandbox_that_breaks_ends_the_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: type[ConductorError], kind: str
) -> None:
    def broken(arguments: dict[str, Any], place: Workplace) -> Answer:
        raise problem("no more processes")

    monkeypatch.setattr(module, "PERFORMERS", {"run_command": broken})
    with pytest.raises(AttemptFailed, match="no more processes") as failure:
        perform(Toolbox(workplace(tmp_path)), ("run_command", {"command": "ls"}))
    assert failure.value.kind == kind


def test_reads_run_together_and_writes_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = threading.Barrier(2, timeout=10)
    order: list[str] = []

    def read(arguments: dict[str, Any], place: Workplace) -> Answer:
        meeting.wait()
        return Answer("read")

    def write(arguments: dict[str, Any], place: Workplace) -> Answer:
        order.append(arguments["path"])
        return Answer("written")

    monkeypatch.setattr(module, "PERFORMERS", {"read_file": read, "write_file": write})
    results = perform(
        Toolbox(workplace(tmp_path)),
        ("write_file", {"path": "1", "content": ""}),
        ("read_file", {"path": "f"}),
        ("read_file", {"path": "f"}),
        ("write_file", {"path": "2", "content": ""}),
    )
    assert [result.output for result in results] == ["written", "read", "read", "written"]
    assert order == ["1", "2"]


def test_finish_waits_until_faults_of_its_turn_were_seen(tmp_path: Path) -> None:
    tools = Toolbox(workplace(tmp_path))
    finish = ("finish", {"summary": "done"})
    read, finished = perform(tools, ("read_file", {"path": "nothing"}), finish)
    assert not read.ok
    assert not finished.ok
    assert "another call of this turn failed" in finished.output
    assert perform(tools, finish)[0].ok


def test_giving_up_is_possible_whatever_failed(tmp_path: Path) -> None:
    results = perform(
        Toolbox(workplace(tmp_path)),
        ("read_file", {"path": "nothing"}),
        ("finish", {"summary": "no such file", "status": "failed"}),
    )
    assert results[1].ok


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cancelled": lambda: True}, "stopped here"),
        ({"deadline": 0.0}, "time of the task is over"),
    ],
)
def test_calls_that_come_too_late_still_get_results(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    tools = Toolbox(workplace(tmp_path, **changes))
    results = perform(
        tools, ("write_file", {"path": "f", "content": ""}), ("list_dir", {"path": "."})
    )
    assert [result.ok for result in results] == [False, False]
    assert words in results[0].output
    assert not (tmp_path / "worktree" / "f").exists()


def test_a_task_without_files_is_offered_finish_only(tmp_path: Path) -> None:
    tools = Toolbox(workplace(tmp_path, worktree=None))
    assert [spec.name for spec in tools.specs] == ["finish"]
    (result,) = perform(tools, ("read_file", {"path": "f"}))
    assert "there are finish" in result.output


def test_long_output_is_cut_and_kept_whole(tmp_path: Path) -> None:
    place = workplace(tmp_path)
    text = "head" + "x" * 50_000 + "tail"
    (place.root / "f").write_text(text)
    (result,) = perform(Toolbox(place), ("read_file", {"path": "f"}))
    assert result.output.startswith("head")
    assert result.output.endswith("tail")
    assert "20,008 characters left out" in result.output
    assert len(result.output) < 30_200
    assert result.kept is not None
    assert result.kept.name in result.output
    assert result.kept.read_text() == text


def test_kept_outputs_never_share_a_file(tmp_path: Path) -> None:
    place = workplace(tmp_path)
    (place.root / "f").write_text("x" * 40_000)
    tools = Toolbox(place)
    read = ("read_file", {"path": "f"})
    kept = [result.kept for _ in range(2) for result in perform(tools, read, read)]
    assert len(set(kept)) == 4


def test_artifacts_that_cannot_be_written_end_the_attempt(tmp_path: Path) -> None:
    (tmp_path / "artifacts").write_text("a file in the way")
    place = workplace(tmp_path)
    (place.root / "f").write_text("x" * 40_000)
    with pytest.raises(AttemptFailed, match="could not write") as failure:
        perform(Toolbox(place), ("read_file", {"path": "f"}))
    assert failure.value.kind == "TEMPORARY_FAILURE"
