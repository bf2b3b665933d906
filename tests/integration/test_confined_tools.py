"""run_command and search in the machine's real sandbox."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workers.sandbox import Sandbox
from workers.tools.toolbox import Toolbox
from workers.tools.workplace import Workplace
from workers.turns import ToolCall, ToolResult

Perform = Callable[..., ToolResult]


def toolbox(tmp_path: Path, **changes: Any) -> Toolbox:
    root = tmp_path / "worktree"
    root.mkdir(exist_ok=True)
    given: dict[str, Any] = {
        "worktree": root,
        "sandbox": Sandbox.detect("auto"),
        "artifacts": tmp_path / "artifacts",
        "cancelled": lambda: False,
        "deadline": time.monotonic() + 60,
    }
    return Toolbox(Workplace(**(given | changes)))


@pytest.fixture
def perform(tmp_path: Path) -> Perform:
    tools = toolbox(tmp_path)

    def one(name: str, **arguments: Any) -> ToolResult:
        (result,) = tools.perform([ToolCall("c", name, arguments)])
        return result

    return one


def test_a_command_reports_its_exit_code_and_duration(perform: Perform) -> None:
    result = perform("run_command", command="echo out; echo err >&2; exit 3")
    assert (result.ok, result.exit_code) == (False, 3)
    assert result.text.startswith(f"exit code 3 after {result.seconds:.2f} s\n")
    assert "out" in result.output
    assert "err" in result.output


def test_a_command_works_in_the_worktree(perform: Perform, tmp_path: Path) -> None:
    assert perform("run_command", command="mkdir a && pwd > a/here").ok
    assert (tmp_path / "worktree" / "a" / "here").read_text().strip().endswith("worktree")


def test_a_command_writes_nothing_outside(perform: Perform, tmp_path: Path) -> None:
    result = perform("run_command", command=f"echo x > {tmp_path}/escaped")
    assert not result.ok
    assert not (tmp_path / "escaped").exists()


def test_a_command_gets_no_input(perform: Perform) -> None:
    assert perform("run_command", command="cat").exit_code == 0


def test_python_leaves_no_caches_behind(perform: Perform, tmp_path: Path) -> None:
    perform("write_file", path="mod.py", content="x = 1\n")
    assert perform("run_command", command="python -c 'import mod'").ok
    assert [each.name for each in (tmp_path / "worktree").iterdir()] == ["mod.py"]


def test_a_command_that_takes_too_long_is_stopped(perform: Perform) -> None:
    result = perform("run_command", command="echo begun; sleep 60", timeout=1)
    assert (result.ok, result.exit_code) == (False, None)
    assert result.output.startswith("Stopped: not done after 1.")
    assert "begun" in result.output
    assert result.seconds < 20


def test_a_command_ends_with_the_tasks_time(tmp_path: Path) -> None:
    tools = toolbox(tmp_path, deadline=time.monotonic() + 1)
    started = time.monotonic()
    (result,) = tools.perform([ToolCall("c", "run_command", {"command": "sleep 60"})])
    assert not result.ok
    assert time.monotonic() - started < 20


def test_a_cancelled_task_stops_its_command(tmp_path: Path) -> None:
    flag = tmp_path / "worktree" / "begun"
    tools = toolbox(tmp_path, cancelled=flag.exists)
    call = ToolCall("c", "run_command", {"command": "touch begun; sleep 60"})
    (result,) = tools.perform([call])
    assert result.output.startswith("Stopped: the task was cancelled.")


def test_a_flood_of_output_is_cut_and_kept(perform: Perform) -> None:
    result = perform("run_command", command="seq 1 100000; echo the end")
    assert result.exit_code == 0
    assert len(result.text) < 30_300
    assert result.output.startswith("1\n2\n")
    assert result.output.endswith("the end\n")
    assert result.kept is not None
    assert result.kept.read_text().count("\n") == 100_001


@pytest.fixture
def searched(perform: Perform, tmp_path: Path) -> Perform:
    """A worktree to search in: sources, a note, something binary, git's own, a link out of it."""
    files = {
        "src/app.py": "import os\n\ndef main():\n    return 0\n",
        "src/deep/er.py": "def other():\n    pass\n",
        "notes.md": "def is short for define\n",
        ".git/config": "def hidden\n",
    }
    root = tmp_path / "worktree"
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    (root / "data.bin").write_bytes(b"def \0")
    (tmp_path / "outside.py").write_text("def secret(): pass\n")
    (root / "link.py").symlink_to("../outside.py")
    return perform


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({}, ["notes.md:1", "src/app.py:3", "src/deep/er.py:1"]),
        ({"glob": "*.py"}, ["src/app.py:3", "src/deep/er.py:1"]),
        ({"glob": "**/*.py"}, ["src/app.py:3", "src/deep/er.py:1"]),
        ({"glob": "src/*.py"}, ["src/app.py:3"]),
        ({"glob": "src/**", "path": "src"}, ["src/app.py:3", "src/deep/er.py:1"]),
        ({"glob": "src/**/*.py"}, ["src/app.py:3", "src/deep/er.py:1"]),
        ({"glob": "a??.py"}, ["src/app.py:3"]),
        ({"glob": "**/*.md"}, ["notes.md:1"]),
        ({"path": "src/deep"}, ["src/deep/er.py:1"]),
        ({"path": "notes.md"}, ["notes.md:1"]),
    ],
)
def test_search_finds_lines(searched: Perform, arguments: dict[str, str], found: list[str]) -> None:
    result = searched("search", pattern=r"^def \w+", **arguments)
    assert result.ok
    assert [":".join(line.split(":")[:2]) for line in result.output.splitlines()] == found


def test_search_shows_the_line(searched: Perform) -> None:
    assert searched("search", pattern="ret.rn").output == "src/app.py:4:     return 0"


def test_search_without_a_match(searched: Perform) -> None:
    result = searched("search", pattern="nowhere")
    assert (result.ok, result.output) == (True, "No match.")


@pytest.mark.parametrize("path", ["../outside.py", "link.py", ".git", "/etc"])
def test_search_stays_inside(searched: Perform, path: str) -> None:
    assert not searched("search", pattern="def", path=path).ok


def test_a_broken_pattern_says_so(searched: Perform) -> None:
    result = searched("search", pattern="(")
    assert not result.ok
    assert "not a regular expression" in result.output


def test_too_many_matches_ask_for_a_narrower_search(searched: Perform, tmp_path: Path) -> None:
    (tmp_path / "worktree" / "many").write_text("same\n" * 1000)
    lines = searched("search", pattern="same").output.splitlines()
    assert len(lines) == 201
    assert lines[-1] == "... more than 200 matches; narrow the search."


def test_a_pattern_that_never_ends_is_stopped(
    searched: Perform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.tools.search.SECONDS", 1.0)
    (tmp_path / "worktree" / "evil").write_text("a" * 1900 + "!")
    result = searched("search", pattern="(a+)+$")
    assert "too long" in result.output
    assert result.seconds < 20
