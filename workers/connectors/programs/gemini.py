"""Gemini's stream: `gemini --output-format stream-json`."""

from typing import Any

from workers.connectors.programs.report import (
    Complaint,
    EventParser,
    all_told,
    count,
    entry,
    words,
)
from workers.failures import FailureKind
from workers.turns import Usage


class Gemini(EventParser):
    """Its answer comes in pieces; `result` says how it ended and how many tokens it took."""

    def event(self, event: dict[str, Any]) -> str | None:
        match event.get("type"):
            case "init":
                self.report.model = words(event, "model")
                return f"Gemini begins with {self.report.model}"
            case "message" if event.get("role") == "assistant":
                piece = words(event, "content")
                if not event.get("delta"):
                    self.report.summary = ""
                self.report.says(piece)
                return piece
            case "tool_use":
                self.report.turns += 1
                # What it said before is not its last word.
                self.report.summary = ""
                return words(event, "tool_name")
            case "tool_result" if event.get("status") == "error":
                return f"failed: {words(entry(event, 'error'), 'message')}"
            case "error":
                return words(event, "message")
            case "result":
                self._result(event)
        return None

    def _result(self, event: dict[str, Any]) -> None:
        report = self.report
        report.ended = True
        report.turns += 1
        stats = entry(event, "stats")
        if all_told(stats, "input_tokens", "output_tokens"):
            report.usage = Usage(
                input_tokens=count(stats, "input_tokens"),
                output_tokens=count(stats, "output_tokens"),
                cache_read_tokens=count(stats, "cached"),
            )
        if event.get("status") not in (None, "success"):
            said = words(entry(event, "error"), "message") or "it says not why"
            report.complaint = Complaint(FailureKind.AGENT_ERROR, said)
