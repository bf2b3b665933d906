"""The connector `acp`: agents that speak the Agent Client Protocol on their standard streams."""

import time
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version

from conductor_app.programs import DENY
from workers.agents.base import AgentContext
from workers.connectors.assignment import Assignment
from workers.connectors.programs.acp_client import CAPABILITIES, AcpClient
from workers.connectors.programs.attempt import ProgramConnector
from workers.connectors.programs.flood import Flood
from workers.connectors.programs.opening import means_for
from workers.connectors.programs.report import Report, words
from workers.connectors.programs.rpc import Json, Peer, Refused
from workers.connectors.programs.session import Session
from workers.connectors.programs.verdict import FLOODED
from workers.narration import one_line
from workers.sandbox import CommandResult
from workers.sandbox.conversation import Closed, Conversation, Interrupted

PROTOCOL_VERSION = 1
# Seconds for which an agent that is told to stop may still say its last word.
LAST_WORD = 3.0
# How many of the last lines of its standard error are logged.
ERROR_LINES = 20


class AcpConnector(ProgramConnector):
    """Runs an agent in the attempt's worktree and gives it one prompt."""

    name = "acp"

    def begin(self, prompt: str, context: AgentContext) -> "_Talk":
        allows = self.means.program.permission_mode != DENY
        return _Talk(prompt, context, allows=allows)


class _Talk:
    """One session with one agent, from its start to its end."""

    def __init__(self, prompt: str, context: AgentContext, *, allows: bool) -> None:
        self.report = Report()
        self._prompt = prompt
        self._context = context
        self._allows = allows
        self._flood = Flood(context.log)
        # What ended it before its time, in the sandbox's words.
        self._ended_by: str | None = None

    def carry_out(self, ready: Session) -> CommandResult:
        began = time.monotonic()
        client = AcpClient(ready.cwd, self.report, allows=self._allows, log=self._flood.log)
        # It is told to stop at the deadline, and killed only when it does not.
        limits = replace(ready.limits, seconds=ready.limits.seconds + 2 * LAST_WORD)
        with self._context.sandbox.converse(
            ready.argv, cwd=ready.cwd, limits=limits, counted=self._flood.read, **ready.access
        ) as conversation:
            peer = Peer(conversation, client.asked, client.told, self._flood.line)
            exit_code = self._until_its_end(conversation, peer, client, ready)
            self.report.strange = peer.strange
        for line in conversation.errors.splitlines()[-ERROR_LINES:]:
            self._context.log(one_line(line))
        return CommandResult(
            argv=tuple(ready.argv),
            exit_code=exit_code,
            output=f"{conversation.errors}\n{self.report.summary}".strip(),
            duration=time.monotonic() - began,
            timed_out=self._ended_by == "deadline",
            truncated=False,
            killed_by=self._ended_by,
        )

    def _until_its_end(
        self, conversation: Conversation, peer: Peer, client: AcpClient, ready: Session
    ) -> int | None:
        """Its exit code; 0 for an agent that has answered: it would wait for another prompt."""
        try:
            self._talk(peer, client, ready)
        except Refused as refused:
            client.refused(refused)
        except TimeoutError:
            self._ended_by = "deadline"
        except Interrupted:
            self._ended_by = "cancelled" if self._context.cancelled() else FLOODED
        except Closed:
            outcome = conversation.outcome()
            self._ended_by = outcome.killed_by
            return outcome.code
        finally:
            client.fall_silent()
        return 0 if self._ended_by is None else None

    def _talk(self, peer: Peer, client: AcpClient, ready: Session) -> None:
        deadline = time.monotonic() + ready.limits.seconds

        def ask(method: str, params: Json) -> Json:
            number = peer.ask(method, params, deadline, self._interrupted)
            return peer.answer(number, deadline, self._interrupted)

        hello = ask(
            "initialize",
            {
                "protocolVersion": PROTOCOL_VERSION,
                "clientCapabilities": CAPABILITIES,
                "clientInfo": {"name": "conductor", "version": version("conductor-app")},
            },
        )
        if hello.get("protocolVersion") != PROTOCOL_VERSION:
            raise Refused(0, f"it speaks version {hello.get('protocolVersion')} of the protocol.")
        session = words(ask("session/new", {"cwd": str(ready.cwd), "mcpServers": []}), "sessionId")
        prompt = [{"type": "text", "text": self._prompt}]
        number = peer.ask(
            "session/prompt",
            {"sessionId": session, "prompt": prompt},
            deadline,
            self._interrupted,
        )
        try:
            client.stopped(peer.answer(number, deadline, self._interrupted))
        except (TimeoutError, Interrupted):
            _take_leave(peer, client, number, session)
            raise

    def _interrupted(self) -> bool:
        return self._flood.over or self._context.cancelled()


def _take_leave(peer: Peer, client: AcpClient, number: int, session: str) -> None:
    """Tell it to stop; what it still says (of its cost, too) is heard, but makes no good end."""
    until = time.monotonic() + LAST_WORD
    with suppress(TimeoutError, Closed, Refused):
        peer.tell("session/cancel", {"sessionId": session}, until)
        client.used(peer.answer(number, until))


def open_acp(assignment: Assignment) -> AcpConnector:
    """Raises AttemptFailed: the settings are wrong, or the gateway has no key to call with."""
    return AcpConnector(means_for("acp", assignment))
