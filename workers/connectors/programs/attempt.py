"""An attempt by a program, whatever it speaks: started, heard, judged, accounted for."""

import time
from abc import ABC, abstractmethod
from contextlib import nullcontext
from typing import Protocol

from workers import artifacts
from workers.agents.base import AgentContext, AgentResult, LogCallback
from workers.connectors.programs.changes import changes_since
from workers.connectors.programs.report import Report
from workers.connectors.programs.session import Means, Session, session, soft_capped
from workers.connectors.programs.verdict import failure
from workers.failures import AttemptFailed, FailureKind
from workers.narration import one_line
from workers.sandbox import CommandResult, SandboxFailed
from workers.suspension import Suspend, waiting_for

# All that the program printed, for inspection.
OUTPUT_FILE = "program.txt"


class Run(Protocol):
    """A program's run, heard while it lasts; `report` grows with what it says."""

    report: Report

    def carry_out(self, ready: Session) -> CommandResult: ...


class ProgramConnector(ABC):
    """One run of a program is one attempt; extend it with how the program is talked with."""

    live = True
    name: str

    def __init__(self, means: Means) -> None:
        self.means = means

    @abstractmethod
    def begin(self, prompt: str, context: AgentContext) -> Run:
        """A run that does what the prompt asks for."""

    def execute(self, prompt: str, context: AgentContext) -> AgentResult:
        """Raises AttemptFailed, and Suspend where a program that starts over may wait.

        What was used is in the context by then, however it ended.
        """
        program = self.means.program
        changed = changes_since(context.worktree)
        whole = "\n\n".join(part for part in (context.system, prompt) if part)
        run = self.begin(whole, context)
        with (
            session(self.means, whole, context, _seconds_left(context)) as ready,
            soft_capped(self.means, run.report, context) if program.soft_cap else nullcontext(),
        ):
            cap = ", soft cap: it spends without asking" if program.soft_cap else ""
            context.log(f"{program.name} is started{cap}")
            try:
                result = run.carry_out(ready)
            except SandboxFailed as broken:
                raise AttemptFailed(FailureKind.TEMPORARY_FAILURE, broken.message) from broken
        seen = ready.account.failure if ready.account else None
        artifacts.write(context.artifacts / OUTPUT_FILE, result.output)
        if problem := failure(program, result, run.report, seen, changed):
            context.log(one_line(f"stopped: {problem.message}"))
            wait = _wait(problem, context) if problem is seen else None
            raise wait or problem
        for name in run.report.denied:
            context.log(f"it was not allowed to use {name}")
        return AgentResult(
            run.report.summary.strip() or f"{program.name} changed files without a word.",
            context.usage,
            context.turns,
            {"program": program.name, "soft_cap": program.soft_cap},
        )

    def get_capabilities(self) -> list[str]:
        """None of Conductor's tools: a program brings its own."""
        return []

    # Nothing to override.
    def set_log_callback(self, callback: LogCallback) -> None:  # noqa: B027
        """Not needed: the context has the log."""


def _wait(refusal: AttemptFailed, context: AgentContext) -> Suspend | None:
    """For a person who raises a cap; for all else only if starting over wastes nothing.

    What the gateway refuses gets better by itself as it does for the loop. But a program begins
    anew each time, and would be paid for the same turns again and again.
    """
    wait = waiting_for(refusal)
    return wait if wait and (wait.pauses or context.turns == 0) else None


def _seconds_left(context: AgentContext) -> float:
    left = context.deadline - time.monotonic()
    if left <= 0:
        raise AttemptFailed(
            FailureKind.TIMEOUT, "No time was left to start the program. Give the task more."
        )
    return left
