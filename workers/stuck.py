"""Notices an agent that goes in circles: the same again, or two things in turn."""

import json
import re
from collections import deque
from collections.abc import Sequence

from workers.failures import AttemptFailed, FailureKind
from workers.turns import ToolCall, ToolResult

SAME_RESULT = 4
SAME_FAULT = 3
ALTERNATING = 6
# What differs from run to run without meaning anything: durations, times of day, addresses.
_NOISE = re.compile(
    r"\b\d+(\.\d+)?\s?(ms|s|sec|seconds)\b|\b\d\d:\d\d:\d\d(\.\d+)?|\b0x[0-9a-f]+\b"
)

_Event = tuple[str, str, bool]


REMINDER = "You called no tool. Go on with the task, or call finish."


class Watch:
    """Sees an agent that does nothing, or the same again, and says when it has to stop."""

    def __init__(self, idle_turns: int) -> None:
        self._idle_turns = idle_turns
        self._idle = 0
        self._circles = Circles()
        self._warned = False

    def note(self, calls: Sequence[ToolCall], results: Sequence[ToolResult]) -> None:
        self._idle = 0 if calls else self._idle + 1
        self._circles.note(calls, results)

    def warning(self) -> str | None:
        """What to tell the agent now; that a call fails again and again it is told once."""
        if self._idle:
            return REMINDER
        if self._warned or not self._circles.failing():
            return None
        self._warned = True
        self._circles.forget()
        return (
            f"The same call has failed {SAME_FAULT} times. Find out why, or do something else; "
            "if it can't be done, call finish with status failed."
        )

    def stop_if_stuck(self, said: str) -> None:
        """Raises AttemptFailed; `said` is the text of the last turn."""
        if self._idle >= self._idle_turns:
            raise AttemptFailed(
                FailureKind.NO_RESULT,
                f"The agent stopped without finishing: {self._idle} answers without a tool call.",
                detail=said,
            )
        if circle := self._circles.found():
            raise AttemptFailed(
                FailureKind.STUCK,
                f"The agent goes in circles: {circle}.",
                detail=self._circles.last_output,
            )


class Circles:
    """Remembers the last calls with their results."""

    def __init__(self) -> None:
        self.last_output = ""
        self._events: deque[_Event] = deque(maxlen=max(SAME_RESULT, SAME_FAULT, ALTERNATING))

    def note(self, calls: Sequence[ToolCall], results: Sequence[ToolResult]) -> None:
        self._events.extend(_event(*pair) for pair in zip(calls, results, strict=True))
        if results:
            self.last_output = results[-1].text

    def failing(self) -> bool:
        """Whether it is a call that fails again and again: one may be told of that, once."""
        faults = list(self._events)[-SAME_FAULT:]
        return _all_same([(action, ok) for action, _, ok in faults], SAME_FAULT) and (
            not faults[-1][2]
        )

    def forget(self) -> None:
        """Count anew."""
        self._events.clear()

    def found(self) -> str | None:
        """What the agent repeats, in words; None while it does not."""
        events = list(self._events)
        if _all_same(events[-SAME_RESULT:], SAME_RESULT):
            return f"the same call had the same result {SAME_RESULT} times"
        if self.failing():
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
