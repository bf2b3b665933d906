"""Notices an agent that goes in circles: the same again, or two things in turn."""

import json
import re
from collections import deque
from collections.abc import Sequence

from workers.connectors.base import ToolCall, ToolResult

SAME_RESULT = 4
SAME_FAULT = 3
ALTERNATING = 6
# What differs from run to run without meaning anything: durations, times of day, addresses.
_NOISE = re.compile(
    r"\b\d+(\.\d+)?\s?(ms|s|sec|seconds)\b|\b\d\d:\d\d:\d\d(\.\d+)?|\b0x[0-9a-f]+\b"
)

_Event = tuple[str, str, bool]


class Circles:
    """Remembers the last calls with their results."""

    def __init__(self) -> None:
        self._events: deque[_Event] = deque(maxlen=max(SAME_RESULT, SAME_FAULT, ALTERNATING))

    def note(self, calls: Sequence[ToolCall], results: Sequence[ToolResult]) -> None:
        self._events.extend(_event(*pair) for pair in zip(calls, results, strict=True))

    def found(self) -> str | None:
        """What the agent repeats, in words; None while it does not."""
        events = list(self._events)
        if _all_same(events[-SAME_RESULT:], SAME_RESULT):
            return f"the same call had the same result {SAME_RESULT} times"
        faults = [(action, ok) for action, _, ok in events[-SAME_FAULT:]]
        if _all_same(faults, SAME_FAULT) and not events[-1][2]:
            return f"the same call failed {SAME_FAULT} times"
        last = events[-ALTERNATING:]
        if _all_same(last[::2], ALTERNATING // 2) and _all_same(last[1::2], ALTERNATING // 2):
            return f"the same two calls took turns over {ALTERNATING} calls"
        return None


def _event(call: ToolCall, result: ToolResult) -> _Event:
    action = f"{call.name} {json.dumps(call.arguments, sort_keys=True, default=str)}"
    return action, _NOISE.sub("", f"{result.exit_code} {result.output}"), result.ok


def _all_same(items: Sequence[object], count: int) -> bool:
    return len(items) == count and all(item == items[0] for item in items)
