"""One MCP server: started, asked what it offers, called; whatever it does ends in a sentence."""

import json
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, NoReturn

from conductor_app import masking
from conductor_app.domain.mcp import McpServer
from workers.connectors.programs.rpc import (
    NO_SUCH_METHOD,
    Json,
    Peer,
    Refused,
)
from workers.sandbox.conversation import Closed, Conversation, Interrupted
from workers.sandbox.lines import LONGEST_LINE
from workers.tools.workplace import Answer, ToolFault

PROTOCOL_VERSION = "2025-06-18"
# What it may print while one answer is waited for, in characters.
MOST_OUTPUT = 64 << 20
MOST_PAGES = 50
# Of a list of tools, in all its pages; what comes after so many is left out.
MOST_LISTED = 1_000
LAST_WORDS = 500


class McpClient:
    """Speaks with one server; one call at a time."""

    def __init__(
        self,
        name: str,
        server: McpServer,
        conversation: Conversation,
        deadline: float,
        cancelled: Callable[[], bool],
    ) -> None:
        """`deadline` is that of the attempt, of `time.monotonic()`."""
        self.name = name
        self._seconds = server.timeout
        self._conversation = conversation
        self._deadline = deadline
        self._cancelled = cancelled
        self._heard = 0
        self._peer = Peer(conversation, _asked, _told, self._hear)

    def initialize(self) -> None:
        """Raises ToolFault."""
        client = {"name": "conductor", "version": version("conductor-app")}
        params = {"protocolVersion": PROTOCOL_VERSION, "capabilities": {}, "clientInfo": client}
        self._ask("initialize", params)
        self._tell("notifications/initialized", {})

    def tools(self) -> list[Json]:
        """The tools, as it describes them; not without end. Raises ToolFault."""
        found: list[Json] = []
        read = 0
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            page = self._ask("tools/list", {"cursor": cursor} if cursor else {})
            listed = page.get("tools") or []
            if not isinstance(listed, list):
                raise ToolFault(f"{self._who} answered tools/list with what is no list.")
            found += [each for each in listed if isinstance(each, dict)][: MOST_LISTED - len(found)]
            read += self._heard
            cursor = page.get("nextCursor")
            if not isinstance(cursor, str) or not cursor:
                break
            if len(found) >= MOST_LISTED or read >= LONGEST_LINE:
                break
        return found

    def call(self, tool: str, arguments: Json) -> Answer:
        """Raises ToolFault."""
        result = self._ask("tools/call", {"name": tool, "arguments": arguments})
        return Answer(_text(result), ok=result.get("isError") is not True)

    def _ask(self, method: str, params: Json) -> Json:
        self._heard = 0
        deadline = min(time.monotonic() + self._seconds, self._deadline)
        number = None
        try:
            number = self._peer.ask(method, params, deadline, self._cancelled)
            return self._peer.answer(number, deadline, self._cancelled)
        except Refused as refused:
            raise ToolFault(f"{self._who} refused {method}: {refused.message}") from None
        except Interrupted:
            self._give_up(number, "cancelled")
            raise ToolFault("Stopped: the task was cancelled.") from None
        except TimeoutError:
            self._give_up(number, "timeout")
            strange = self._peer.strange
            said = f" {strange} lines that it printed are no JSON-RPC." if strange else ""
            raise ToolFault(
                f"{self._who} did not answer {method} within {self._seconds:g} s.{said} "
                "Do it another way."
            ) from None
        except Closed:
            self._ended()

    def _tell(self, method: str, params: Json) -> None:
        try:
            self._peer.tell(method, params, time.monotonic() + 1.0)
        except (TimeoutError, Closed):
            # The next request says what has become of it.
            return

    def _give_up(self, number: int | None, reason: str) -> None:
        if number is not None:
            self._tell("notifications/cancelled", {"requestId": number, "reason": reason})

    def _ended(self) -> NoReturn:
        last = masking.tail(self._conversation.last_words().strip(), LAST_WORDS)
        said = f" Its last words: {last}" if last else ""
        raise ToolFault(
            f"{self._who} has ended, so its tools are gone; do it another way.{said}"
        ) from None

    def _hear(self, line: str) -> None:
        self._heard += len(line)
        if len(line) >= LONGEST_LINE // 4 and len(line.encode()) >= LONGEST_LINE:
            raise ToolFault(f"{self._who} answered with more than 8 MiB; ask it for less.")
        if self._heard > MOST_OUTPUT:
            raise ToolFault(f"{self._who} prints without end and answers nothing; do without it.")

    @property
    def _who(self) -> str:
        return f"The MCP server {self.name!r}"


def _asked(method: str, params: Json) -> Json:
    """It may ask whether somebody is there; a model of ours is not lent to it, nor are files."""
    if method == "ping":
        return {}
    raise Refused(NO_SUCH_METHOD, f"{method} is not offered here")


def _told(method: str, params: Json) -> None:
    """Progress, log lines and changed lists: an attempt keeps the tools that it began with."""


def _text(result: Json) -> str:
    """What a model can read of a result."""
    content = result.get("content")
    parts = [_part(each) for each in content] if isinstance(content, list) else []
    if not parts and "structuredContent" in result:
        parts = [json.dumps(result["structuredContent"], ensure_ascii=False)]
    return "\n".join(parts) or "(nothing)"


def _part(block: Any) -> str:
    if not isinstance(block, dict):
        return str(block)
    match block.get("type"):
        case "text":
            return str(block.get("text", ""))
        case "resource" if isinstance(resource := block.get("resource"), dict):
            return str(resource.get("text") or f"[resource {resource.get('uri')}, not shown]")
        case "resource_link":
            return f"[{block.get('name')}: {block.get('uri')}]"
        case kind:
            return f"[{kind} of type {block.get('mimeType')}, not shown]"
