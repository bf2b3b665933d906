"""Codex's stream: `codex exec --json`."""

import re
from typing import Any

from workers.connectors.programs.report import (
    Complaint,
    EventParser,
    all_told,
    count,
    entry,
    kind_of_status,
    words,
)
from workers.failures import FailureKind
from workers.turns import Usage

_STATUS = re.compile(r"\b(?:status|HTTP|error)\D{0,12}\b([45]\d\d)\b", re.IGNORECASE)
_SPENT = ("quota", "spend limit", "billing")


class Codex(EventParser):
    """Its thread ends in `turn.completed` or `turn.failed`; it never says what it cost."""

    def event(self, event: dict[str, Any]) -> str | None:
        match event.get("type"):
            case "thread.started":
                return f"Codex begins, thread {words(event, 'thread_id')}"
            case "item.completed":
                return self._item(entry(event, "item"))
            case "turn.completed":
                self._completed(entry(event, "usage"))
            case "turn.failed":
                message = words(entry(event, "error"), "message") or "it says not why"
                self.report.ended = True
                self.report.complaint = Complaint(_kind(message), message)
            case "error":
                # Also said of every attempt to connect again, so no end by itself.
                return words(event, "message")
        return None

    def _item(self, item: dict[str, Any]) -> str | None:
        match item.get("type"):
            case "agent_message":
                self.report.turns += 1
                said = words(item, "text")
                self.report.summary = said
                return said
            case "command_execution":
                return f"{words(item, 'command')} [exit code {item.get('exit_code')}]"
            case "error":
                return words(item, "message")
            case "file_change":
                return "changed files"
            case "mcp_tool_call" | "web_search":
                return str(item.get("type")).replace("_", " ")
        return None

    def _completed(self, usage: dict[str, Any]) -> None:
        """The figures are the thread's so far, so those of the last turn count."""
        self.report.ended = True
        self.report.complaint = None
        self.report.usage = _usage(usage)


def _usage(told: dict[str, Any]) -> Usage | None:
    if not all_told(told, "input_tokens", "output_tokens"):
        return None
    return Usage(
        input_tokens=count(told, "input_tokens"),
        output_tokens=count(told, "output_tokens"),
        cache_read_tokens=count(told, "cached_input_tokens"),
        cache_write_tokens=count(told, "cache_write_input_tokens"),
    )


def _kind(message: str) -> FailureKind:
    if any(word in message.lower() for word in _SPENT):
        return FailureKind.SPEND_LIMIT
    found = _STATUS.search(message)
    return kind_of_status(int(found[1]) if found else None)
