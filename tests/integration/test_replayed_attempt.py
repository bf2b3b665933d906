"""A recorded attempt builds real files with real tools; a second one mends what it left."""

import json
from pathlib import Path
from typing import Any

import pytest

from conductor_app.domain.workflow import AgentSpec
from tests.fakes.attempts import agent_context, agent_task
from workers.agents.base import AgentContext, AgentResult
from workers.agents.registry import AgentRegistry
from workers.connectors import open_connector
from workers.failures import AttemptFailed
from workers.sandbox import Sandbox

TEST = "from adder import add\n\n\ndef test_add():\n    assert add(2, 2) == 4\n"
PYTEST = {"command": "python -m pytest -q -p no:cacheprovider test_adder.py"}


def turn(
    number: int, tool: str, arguments: dict[str, Any], **expected: Any
) -> list[dict[str, Any]]:
    return [
        {
            "type": "turn",
            "tool_calls": [{"id": f"c{number}", "name": tool, "arguments": arguments}],
            "usage": {"input_tokens": 100, "output_tokens": 10},
        },
        {"type": "result", "id": f"c{number}", **({"ok": True} | expected)},
    ]


def write(number: int, path: str, content: str) -> list[dict[str, Any]]:
    return turn(number, "write_file", {"path": path, "content": content})


FINISH = turn(9, "finish", {"summary": "add works"})
FIRST = [
    *write(1, "adder.py", "def add(a, b):\n    return a - b\n"),
    *write(2, "test_adder.py", TEST),
    *turn(3, "run_command", PYTEST, ok=False, exit_code=1, contains=["1 failed"]),
    *FINISH,
]
SECOND = [
    *turn(1, "read_file", {"path": "adder.py"}, contains=["a - b"]),
    *turn(2, "edit_file", {"path": "adder.py", "old": "a - b", "new": "a + b"}),
    *turn(3, "run_command", PYTEST, exit_code=0, contains=["1 passed"]),
    *FINISH,
]


class Work:
    """A worktree that attempts at one task share, with the recordings of that task."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.worktree = folder / "worktree"
        self.worktree.mkdir()
        self.context: AgentContext | None = None

    def record(self, attempt: int, lines: list[dict[str, Any]]) -> None:
        file = self.folder / "recordings" / "demo" / f"0-adder.{attempt}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        header = {
            "type": "recording",
            "format": 1,
            "workflow": "demo",
            "task": "0/adder",
            "attempt": attempt,
            "author": "people",
        }
        file.write_text("\n".join(json.dumps(line) for line in [header, *lines]))

    def attempt(self, failures: int = 0) -> AgentResult:
        connector = open_connector(
            "replay",
            workflow="demo",
            task="0/adder",
            failures=failures,
            recordings=self.folder / "recordings",
        )
        self.context = agent_context(
            self.folder,
            sandbox=Sandbox.detect("auto"),
            connector=connector,
            artifacts=self.folder / f"artifacts-{failures}",
        )
        task = agent_task("0/adder", workflow="demo", failures=failures)
        return AgentRegistry().resolve(AgentSpec(name="api")).perform_task(task, self.context)


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path)


def test_the_first_attempt_is_played_and_the_second_mends_it(work: Work) -> None:
    work.record(1, FIRST)
    work.record(2, SECOND)
    first = work.attempt()
    assert (first.summary, first.turns, first.usage.tokens) == ("add works", 4, 440)
    assert "a - b" in (work.worktree / "adder.py").read_text()
    work.attempt(failures=1)
    assert "a + b" in (work.worktree / "adder.py").read_text()


def test_a_transcript_reads_like_its_recording(work: Work) -> None:
    work.record(1, FIRST)
    work.attempt()
    lines = (work.folder / "artifacts-0" / "transcript.jsonl").read_text().splitlines()
    kept = [json.loads(line) for line in lines]
    recorded = [line for line in FIRST if line["type"] == "turn"]
    turns = [line for line in kept if line["type"] == "turn"]
    assert [each["tool_calls"] for each in turns] == [each["tool_calls"] for each in recorded]
    results = [line for line in kept if line["type"] == "result"]
    assert [result["exit_code"] for result in results] == [None, None, 1, None]


def test_a_recording_that_no_longer_fits_stops_at_the_call(work: Work) -> None:
    """The second attempt's recording expects what the first one left; here nothing is there."""
    work.record(2, SECOND)
    with pytest.raises(AttemptFailed, match="turn 1, call c1 of read_file") as failure:
        work.attempt(failures=1)
    assert failure.value.kind == "RECORDING_MISMATCH"
    assert "There is no 'adder.py'" in failure.value.detail
    assert work.context is not None
    assert work.context.usage.tokens == 110
    assert list(work.worktree.iterdir()) == []
