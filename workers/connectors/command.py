"""The connector `command`: coding-agent programs that take a prompt, print lines, and end."""

from dataclasses import replace

from workers.agents.base import AgentContext
from workers.connectors.assignment import Assignment
from workers.connectors.programs.attempt import ProgramConnector
from workers.connectors.programs.flood import Flood
from workers.connectors.programs.opening import means_for
from workers.connectors.programs.parsers import PARSERS
from workers.connectors.programs.report import Parser
from workers.connectors.programs.session import Session
from workers.connectors.programs.verdict import FLOODED
from workers.narration import one_line
from workers.sandbox import CommandResult


class CommandConnector(ProgramConnector):
    """Runs a program in the attempt's worktree and hears it line by line."""

    name = "command"

    def begin(self, prompt: str, context: AgentContext) -> "_Heard":
        return _Heard(PARSERS[self.means.program.parser](), context)


class _Heard:
    """A run whose lines go to the program's parser as they come."""

    def __init__(self, parser: Parser, context: AgentContext) -> None:
        self.report = parser.report
        self._parser = parser
        self._context = context
        self._flood = Flood(context.log)

    def carry_out(self, ready: Session) -> CommandResult:
        result = self._context.sandbox.run(
            ready.argv,
            cwd=ready.cwd,
            limits=ready.limits,
            cancelled=lambda: self._flood.over or self._context.cancelled(),
            heard=self._hear,
            counted=self._flood.read,
            **ready.access,
        )
        if self._flood.over and not self._context.cancelled():
            return replace(result, exit_code=None, killed_by=FLOODED)
        return result

    def _hear(self, line: str) -> None:
        self._flood.line(line)
        if said := self._parser.read(line):
            self._flood.log(one_line(said))


def open_command(assignment: Assignment) -> CommandConnector:
    """Raises AttemptFailed: the settings are wrong, or the gateway has no key to call with."""
    return CommandConnector(means_for("command", assignment))
