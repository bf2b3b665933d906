"""Words the live log of an agent at work: one line is one line, whatever a model said."""

import re
from typing import Any

from conductor_app import masking
from workers.turns import ToolCall, ToolResult, Turn

WIDTH = 160
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\].*?(\x07|\x1b\\)")
_TELLING = ("command", "path", "pattern", "summary")


def turn_line(number: int, turn: Turn) -> str:
    count = len(turn.tool_calls)
    said = one_line(turn.text) or (f"{count} call" if count == 1 else f"{count} calls")
    return f"turn {number} ({turn.model}): {said}"


def call_line(call: ToolCall, result: ToolResult) -> str:
    mark = "ok" if result.ok else "failed"
    ending = mark if result.exit_code is None else f"exit code {result.exit_code}"
    reason = "" if result.ok or result.exit_code is not None else f": {result.output}"
    line = f"  {_call(call)} [{ending}, {result.seconds:.2f} s]{reason}"
    return one_line(line, keep_indent=True)


def call_words(call: ToolCall) -> str:
    """The call itself."""
    return one_line(_call(call))


def error_words(result: ToolResult) -> str:
    """What a call failed with: a command's last line, where it has one, says most."""
    if result.exit_code is None:
        return one_line(result.output)
    lines = result.output.strip().splitlines()
    return one_line(": ".join([f"exit code {result.exit_code}", *lines[-1:]]))


def one_line(text: str, *, keep_indent: bool = False, width: int = WIDTH) -> str:
    """Without terminal escapes, control characters and line ends, cut to a readable width."""
    plain = _ESCAPES.sub("", text)
    shown = "".join(letter if letter.isprintable() else " " for letter in plain)
    joined = " ".join(shown.split())
    if len(joined) > width:
        # Half a secret would not be known to whoever masks the line.
        joined = masking.words(joined)
    if len(joined) > width:
        joined = joined[: width - 1] + "…"
    return f"  {joined}" if keep_indent else joined


def _call(call: ToolCall) -> str:
    return f"{call.name} {_telling(call.arguments)}".rstrip()


def _telling(arguments: Any) -> str:
    """The argument that says most about a call."""
    if not isinstance(arguments, dict):
        return ""
    for name in _TELLING:
        if isinstance(arguments.get(name), str):
            return one_line(arguments[name], width=WIDTH // 2)
    return ""
