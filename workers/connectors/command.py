"""The connector of coding-agent programs: one run of the program is one attempt."""

import time

from workers import artifacts
from workers.agents.base import AgentContext, AgentResult
from workers.connectors.base import LogCallback
from workers.connectors.programs.changes import changes_since
from workers.connectors.programs.parsers import PARSERS
from workers.connectors.programs.session import Means, Session, account_for, session
from workers.connectors.programs.verdict import failure
from workers.failures import AttemptFailed, FailureKind
from workers.narration import one_line
from workers.sandbox import CommandResult

# All that the program printed, for inspection.
OUTPUT_FILE = "program.txt"


class CommandConnector:
    """Runs a program in the attempt's worktree, hears it line by line, judges how it ended."""

    live = True

    def __init__(self, means: Means) -> None:
        self._means = means
        self.name = "command"

    def execute(self, prompt: str, context: AgentContext) -> AgentResult:
        """Raises AttemptFailed; what was used is in the context by then, however it ended."""
        program = self._means.program
        parser = PARSERS[program.parser]()
        changed = changes_since(context.worktree)
        whole = "\n\n".join(part for part in (context.system, prompt) if part)
        cap = ", soft cap: it spends without asking" if program.soft_cap else ""
        context.log(f"{program.name} is started{cap}")

        def hear(line: str) -> None:
            if said := parser.read(line):
                context.log(one_line(said))

        with session(self._means, whole, context, _seconds_left(context)) as ready:
            try:
                result = _run(ready, context, hear)
            finally:
                if ready.account is None:
                    account_for(self._means, parser.report, context)
        seen = ready.account.failure if ready.account else None
        artifacts.write(context.artifacts / OUTPUT_FILE, result.output)
        if problem := failure(program, result, parser.report, seen, changed):
            context.log(one_line(f"stopped: {problem.message}"))
            raise problem
        for name in parser.report.denied:
            context.log(f"it was not allowed to use {name}")
        return AgentResult(
            parser.report.summary.strip() or f"{program.name} changed files without a word.",
            context.usage,
            context.turns,
            {"program": program.name, "soft_cap": program.soft_cap},
        )

    def get_capabilities(self) -> list[str]:
        """None of Conductor's tools: a program brings its own."""
        return []

    def set_log_callback(self, callback: LogCallback) -> None:
        """Not needed: the context has the log."""


def _run(ready: Session, context: AgentContext, hear: LogCallback) -> CommandResult:
    return context.sandbox.run(
        ready.argv,
        cwd=ready.cwd,
        limits=ready.limits,
        cancelled=context.cancelled,
        heard=hear,
        **ready.access,
    )


def _seconds_left(context: AgentContext) -> float:
    left = context.deadline - time.monotonic()
    if left <= 0:
        raise AttemptFailed(
            FailureKind.TIMEOUT, "No time was left to start the program. Give the task more."
        )
    return left
