"""Agents for fault tests: they write a file, wait for a word, fail once, or kill their worker.

What they do is steered through the directory that the workflow's input `control` names, and told
there: `<task>.begun/` has a file for every attempt that began, named by its worker's pid.
"""

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from conductor_app.tool_specs import ToolSpec
from tests.fakes.scripted_connector import ScriptedConnector, says
from workers.agents.base import AgentContext, AgentResult, AgentTask, BaseAgent
from workers.connectors.live import Bound
from workers.failures import AttemptFailed, FailureKind
from workers.loop import LoopLimits, run_loop
from workers.prompt import opening
from workers.turns import Message, Usage

POLL_SECONDS = 0.02


def slug(task: AgentTask) -> str:
    return task.key.replace("/", "-")


def _control(task: AgentTask) -> Path:
    return Path(str(task.inputs["control"]))


def _tell_begun(task: AgentTask) -> None:
    place = _control(task) / f"{slug(task)}.begun"
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{os.getpid()}.{time.time_ns()}").touch()


def _write(task: AgentTask, context: AgentContext) -> AgentResult:
    """The task's own file, different for each generation of the task, the same for each attempt."""
    assert context.worktree is not None
    (context.worktree / f"{slug(task)}.txt").write_text(f"{task.key}\n{task.id}\n")
    return AgentResult(f"wrote {slug(task)}.txt")


def _wait(context: AgentContext, until: Callable[[], bool]) -> None:
    while not until():
        if context.cancelled():
            raise AttemptFailed(FailureKind.CANCELLED, "The agent was told to stop.")
        if time.monotonic() > context.deadline:
            raise AttemptFailed(FailureKind.TIMEOUT, "The agent waited for too long.")
        time.sleep(POLL_SECONDS)


class Writes(BaseAgent):
    """Writes its file and is done."""

    def perform_task(self, task: AgentTask, context: AgentContext) -> AgentResult:
        _tell_begun(task)
        return _write(task, context)


class Looks(BaseAgent):
    """Changes nothing, in a worktree or without one."""

    def perform_task(self, task: AgentTask, context: AgentContext) -> AgentResult:
        return AgentResult("looked")


class FailsFirst(BaseAgent):
    """Fails at its first round."""

    def perform_task(self, task: AgentTask, context: AgentContext) -> AgentResult:
        _tell_begun(task)
        if task.failures == 0:
            raise AttemptFailed(FailureKind.TEMPORARY_FAILURE, "The first time goes wrong.")
        return _write(task, context)


class Waits(BaseAgent):
    """Writes its file when `go` is there; half of its work lies around meanwhile."""

    def perform_task(self, task: AgentTask, context: AgentContext) -> AgentResult:
        assert context.worktree is not None
        (context.worktree / f"{slug(task)}.half.txt").write_text("half\n")
        _tell_begun(task)
        _wait(context, (_control(task) / "go").exists)
        (context.worktree / f"{slug(task)}.half.txt").unlink()
        return _write(task, context)


class LeavesHalf(BaseAgent):
    """Returns when it is told to stop, without a word of that."""

    def perform_task(self, task: AgentTask, context: AgentContext) -> AgentResult:
        context.log("half")
        while not context.cancelled():
            time.sleep(POLL_SECONDS)
        return AgentResult("half of it")


class HearsNothing(BaseAgent):
    """Writes its file when `go` is there, and does not stop before, whoever asks."""

    def perform_task(self, task: AgentTask, context: AgentContext) -> AgentResult:
        _tell_begun(task)
        while not (_control(task) / "go").exists():
            time.sleep(POLL_SECONDS)
        return _write(task, context)


class Commands(BaseAgent):
    """Runs a command that leaves a child behind and, until `go` is there, does not end."""

    def perform_task(self, task: AgentTask, context: AgentContext) -> AgentResult:
        assert context.worktree is not None
        _tell_begun(task)
        go = _control(task) / "go"
        script = f"sleep 1000 & while [ ! -e {go} ]; do sleep 0.05; done; echo done > command.txt"
        ran = context.sandbox.run(
            ["sh", "-c", script], cwd=context.worktree, cancelled=context.cancelled
        )
        if ran.exit_code != 0:
            raise AttemptFailed(FailureKind.CANCELLED, f"The command was stopped: {ran.killed_by}")
        (context.worktree / "command.txt").unlink()
        return _write(task, context)


class Thinks(BaseAgent):
    """Uses a turn, says so, and goes on thinking until it is told to stop."""

    def perform_task(self, task: AgentTask, context: AgentContext) -> AgentResult:
        context.turns += 1
        context.usage += Usage(100, 10)
        context.log("I think.")
        _wait(context, lambda: False)
        return AgentResult("impossible")


class PaidConnector(ScriptedConnector):
    """One whose turns cost money, as those of a live model do."""

    provider = "anthropic"
    model = "claude-haiku-4-5"
    max_output_tokens = 1_000

    def bound(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Bound:
        return Bound(1_000, self.max_output_tokens)


class Talks(BaseAgent):
    """Writes its file as a model would: by turns and tools, which it pays for."""

    def perform_task(self, task: AgentTask, context: AgentContext) -> AgentResult:
        _tell_begun(task)
        file = {"path": f"{slug(task)}.txt", "content": f"{task.key}\n{task.id}\n"}
        context.connector = PaidConnector(
            [says("I write.", ("write_file", file)), says("done", ("finish", {"summary": "done"}))]
        )
        return run_loop(task, context, opening(task, "talks", []), LoopLimits())


class KillsItsWorker(BaseAgent):
    """Takes its whole worker down, every time."""

    def perform_task(self, task: AgentTask, context: AgentContext) -> AgentResult:
        _tell_begun(task)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("unreachable")


class Guesses(Looks):
    """Says how long each task will take: as many milliseconds as its title, whatever that is."""

    def estimate_task_duration(self, task: AgentTask) -> float:
        return float(task.title)


class Speaks(Looks):
    """Says what it can do."""

    def get_capabilities(self, phase: int) -> list[str]:
        return ["speech"]


class Declines(Looks):
    """Takes no task whose title says that it is too hard."""

    def can_handle_task(self, task: AgentTask) -> bool:
        return "hard" not in task.title


class Raises(BaseAgent):
    """Meets what its author did not think of."""

    def perform_task(self, task: AgentTask, context: AgentContext) -> AgentResult:
        self._look_at("sk-ant-api03-0123456789abcdefghij")
        return AgentResult("impossible")

    def _look_at(self, key: str) -> None:
        raise ValueError(f"boom {key}")


class FillsTheDisk(BaseAgent):
    """Writes where there is no room left."""

    def perform_task(self, task: AgentTask, context: AgentContext) -> AgentResult:
        Path("/dev/full").write_text("more")
        return AgentResult("impossible")
