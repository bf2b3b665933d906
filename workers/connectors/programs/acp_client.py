"""What an ACP agent may ask of whoever runs it, and what it tells of its work."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath

from workers.agents.base import LogCallback
from workers.connectors.programs.report import (
    Complaint,
    Report,
    all_told,
    count,
    entry,
    nano_usd,
    words,
)
from workers.connectors.programs.rpc import NO_SUCH_METHOD, Json, Refused
from workers.failures import FailureKind
from workers.narration import one_line
from workers.tools.files import lines_of, write_text
from workers.tools.workplace import ToolFault
from workers.tools.worktree_files import read_bytes
from workers.turns import Usage

# What this client can do for an agent; terminals it has in its sandbox itself.
CAPABILITIES = {"fs": {"readTextFile": True, "writeTextFile": True}, "terminal": False}
INVALID_PARAMS = -32602
AUTHENTICATION_REQUIRED = -32000
_STOPS = {
    "max_tokens": (FailureKind.NO_RESULT, "its answer was cut off at the limit of its length"),
    "max_turn_requests": (FailureKind.TOOL_LIMIT, "it used all of its turns without finishing"),
    "refusal": (FailureKind.REFUSED, "its model refuses to do this"),
    "cancelled": (FailureKind.AGENT_ERROR, "it stopped as if it had been cancelled"),
}


class AcpClient:
    """Serves one session: files of the worktree, permissions, log lines; fills in the report."""

    def __init__(self, root: Path, report: Report, *, allows: bool, log: LogCallback) -> None:
        self.report = report
        self._root = root
        self._allows = allows
        self._log = log
        self._line: list[str] = []

    def asked(self, method: str, params: Json) -> Json:
        """Raises Refused."""
        serve: Callable[[Json], Json] | None = {
            "fs/read_text_file": self._read,
            "fs/write_text_file": self._write,
            "session/request_permission": self._permission,
        }.get(method)
        if serve is None:
            raise Refused(NO_SUCH_METHOD, f"{method} is not offered here.")
        return serve(params)

    def told(self, method: str, params: Json) -> None:
        if method != "session/update":
            return
        update = entry(params, "update")
        match update.get("sessionUpdate"):
            case "agent_message_chunk":
                self._said(words(entry(update, "content"), "text"))
            case "tool_call":
                self._tool(update)
            case "tool_call_update" if update.get("status") == "failed":
                self._say(f"failed: {words(update, 'title') or words(update, 'toolCallId')}")
            case "usage_update" if words(entry(update, "cost"), "currency") == "USD":
                self.report.cost_nano_usd = nano_usd(update["cost"], "amount")

    def stopped(self, answer: Json) -> None:
        """The turn is over; what that means for the attempt."""
        report = self.report
        report.ended = True
        report.turns += 1
        self.used(answer)
        if found := _STOPS.get(words(answer, "stopReason")):
            report.complaint = Complaint(*found)

    def used(self, answer: Json) -> None:
        """What it says of its tokens with the answer to its prompt."""
        self.report.usage = _usage(entry(answer, "usage"))

    def refused(self, error: Refused) -> None:
        """The agent answered with an error."""
        unknown = error.code == AUTHENTICATION_REQUIRED
        kind = FailureKind.CREDENTIALS if unknown else FailureKind.AGENT_ERROR
        self.report.complaint = Complaint(kind, error.message)
        self.report.ended = True

    def fall_silent(self) -> None:
        """The line that it had begun is its last."""
        self._say("")

    def _said(self, text: str) -> None:
        self.report.says(text)
        *lines, rest = text.split("\n")
        for line in lines:
            self._line.append(line)
            self._say("")
        self._line.append(rest)

    def _tool(self, update: Json) -> None:
        # What it said before is not its last word.
        self.report.summary = ""
        self.report.turns += 1
        self._say(words(update, "title") or words(update, "kind"))

    def _say(self, line: str) -> None:
        """A line of the log, after the one that was begun."""
        begun = "".join(self._line).strip()
        self._line.clear()
        for each in (begun, line):
            if each:
                self._log(one_line(each))

    def _read(self, params: Json) -> Json:
        path = self._beneath(params)
        try:
            text = read_bytes(self._root, path).decode("utf-8")
        except ToolFault as fault:
            raise Refused(INVALID_PARAMS, str(fault)) from None
        except UnicodeDecodeError:
            raise Refused(INVALID_PARAMS, f"{path!r} is no text in UTF-8.") from None
        first, most = count(params, "line"), count(params, "limit")
        if first or most:
            lines = lines_of(text)[max(0, first - 1) :]
            text = "".join(lines[:most] if most else lines)
        return {"content": text}

    def _write(self, params: Json) -> Json:
        path, content = self._beneath(params), params.get("content")
        if not isinstance(content, str):
            raise Refused(INVALID_PARAMS, "`content` has to be a text.")
        try:
            write_text(self._root, path, content)
        except ToolFault as fault:
            raise Refused(INVALID_PARAMS, str(fault)) from None
        self._say(f"wrote {path}")
        return {}

    def _beneath(self, params: Json) -> str:
        """The protocol's paths are absolute; the worktree's own are relative to its root."""
        path = PurePosixPath(words(params, "path"))
        for root in (self._root, self._root.resolve()):
            if path.is_relative_to(root):
                return str(path.relative_to(root))
        raise Refused(INVALID_PARAMS, f"{path} is not in the worktree {self._root}.")

    def _permission(self, params: Json) -> Json:
        """The sandbox confines the agent already, so what it asks for is allowed once."""
        call = entry(params, "toolCall")
        name = words(call, "title") or words(call, "kind") or "a tool"
        options = params.get("options")
        kinds = {
            words(each, "kind"): words(each, "optionId")
            for each in (options if isinstance(options, list) else [])
        }
        wanted = ("allow_once", "allow_always") if self._allows else ("reject_once",)
        chosen = next((kinds[kind] for kind in wanted if kind in kinds), None)
        if not self._allows:
            self.report.denied.append(name)
        self._say(f"{'allowed' if self._allows else 'denied'}: {name}")
        if chosen is None:
            return {"outcome": {"outcome": "cancelled"}}
        return {"outcome": {"outcome": "selected", "optionId": chosen}}


def _usage(told: Json) -> Usage | None:
    """Of the session; each kind of token is counted by itself."""
    if not all_told(told, "inputTokens", "outputTokens"):
        return None
    read, written = count(told, "cachedReadTokens"), count(told, "cachedWriteTokens")
    return Usage(
        input_tokens=count(told, "inputTokens") + read + written,
        output_tokens=count(told, "outputTokens") + count(told, "thoughtTokens"),
        cache_read_tokens=read,
        cache_write_tokens=written,
    )
