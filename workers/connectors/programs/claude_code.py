"""Claude Code's stream: `--output-format stream-json --verbose`."""

from typing import Any

from workers.connectors.programs.report import (
    MOST_TURNS,
    Complaint,
    EventParser,
    all_told,
    count,
    entries,
    entry,
    kind_of_status,
    nano_usd,
    words,
)
from workers.failures import FailureKind
from workers.turns import Usage

_LIMITS = {
    "error_max_turns": FailureKind.TOOL_LIMIT,
    "error_max_budget_usd": FailureKind.BUDGET_EXHAUSTED,
}
_TELLING = ("command", "file_path", "path", "pattern", "query", "url")


class ClaudeCode(EventParser):
    """Its last line is a `result`, which may be an error though its subtype is `success`."""

    def __init__(self) -> None:
        super().__init__()
        self._answers: set[str] = set()

    def event(self, event: dict[str, Any]) -> str | None:
        match event.get("type"):
            case "system":
                return self._system(event)
            case "assistant":
                return self._assistant(entry(event, "message"))
            case "user":
                return _results(entry(event, "message"))
            case "result":
                return self._result(event)
        return None

    def _system(self, event: dict[str, Any]) -> str | None:
        match event.get("subtype"):
            case "init":
                self.report.model = words(event, "model")
                version = words(event, "claude_code_version")
                return f"Claude Code {version} begins with {self.report.model}"
            case "api_retry":
                return f"the model's service answered {event.get('error_status')}; tried again"
            case "permission_denied":
                return f"denied: {words(event, 'tool_name')}"
        return None

    def _assistant(self, message: dict[str, Any]) -> str | None:
        self._answers.add(words(message, "id"))
        self.report.turns = len(self._answers)
        said = []
        for block in entries(message, "content"):
            if block.get("type") == "text":
                said.append(words(block, "text"))
            elif block.get("type") == "tool_use":
                said.append(f"{words(block, 'name')} {_telling(entry(block, 'input'))}")
        return " | ".join(filter(None, map(str.strip, said))) or None

    def _result(self, event: dict[str, Any]) -> str | None:
        report = self.report
        report.ended = True
        report.summary = words(event, "result")
        report.turns = report.turns or count(event, "num_turns", MOST_TURNS)
        report.cost_nano_usd = nano_usd(event, "total_cost_usd")
        # Where it tells none, what it used is not known.
        report.usage = _usage(event)
        report.denied = [words(each, "tool_name") for each in entries(event, "permission_denials")]
        if event.get("is_error") or words(event, "subtype") in _LIMITS:
            report.complaint = _complaint(event)
        return None


def _usage(event: dict[str, Any]) -> Usage | None:
    """All models together; its `input` leaves out what came from or went to the cache."""
    used = Usage()
    for model in entry(event, "modelUsage").values():
        if not all_told(model, "inputTokens", "outputTokens"):
            return None
        read, written = (
            count(model, "cacheReadInputTokens"),
            count(model, "cacheCreationInputTokens"),
        )
        used += Usage(
            input_tokens=count(model, "inputTokens") + read + written,
            output_tokens=count(model, "outputTokens"),
            cache_read_tokens=read,
            cache_write_tokens=written,
        )
    if used:
        return used
    plain = entry(event, "usage")
    if not all_told(plain, "input_tokens", "output_tokens"):
        return None
    read = count(plain, "cache_read_input_tokens")
    written = count(plain, "cache_creation_input_tokens")
    return Usage(
        input_tokens=count(plain, "input_tokens") + read + written,
        output_tokens=count(plain, "output_tokens"),
        cache_read_tokens=read,
        cache_write_tokens=written,
    )


def _complaint(event: dict[str, Any]) -> Complaint:
    errors = event.get("errors")
    listed = errors if isinstance(errors, list) else []
    said = words(event, "result") or "; ".join(each for each in listed if isinstance(each, str))
    status = event.get("api_error_status")
    if kind := _LIMITS.get(words(event, "subtype")):
        return Complaint(kind, said or words(event, "subtype"))
    if event.get("terminal_reason") == "api_error" or isinstance(status, int):
        return Complaint(kind_of_status(status if isinstance(status, int) else None), said)
    return Complaint(FailureKind.AGENT_ERROR, said or "it says not why")


def _results(message: dict[str, Any]) -> str | None:
    failed = [each for each in entries(message, "content") if each.get("is_error")]
    return "; ".join(f"failed: {each.get('content')}" for each in failed) or None


def _telling(arguments: dict[str, Any]) -> str:
    return next((words(arguments, name) for name in _TELLING if words(arguments, name)), "")
