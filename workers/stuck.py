"""Notices an agent that goes in circles: the same again, or two things in turn."""

import json
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from workers.failures import AttemptFailed, FailureKind
from workers.narration import call_words, error_words, one_line
from workers.turns import ToolCall, ToolResult

SAME_RESULT = 4
SAME_FAULT = 3
ALTERNATING = 6
# What differs from run to run without meaning anything: durations, times of day, addresses.
_NOISE = re.compile(
    r"\b\d+(\.\d+)?\s?(ms|s|sec|seconds)\b|\b\d\d:\d\d:\d\d(\.\d+)?|\b0x[0-9a-f]+\b"
)

REMINDER = "You called no tool. Go on with the task, or call finish."
_ANOTHER = "Give the task to another model."
_CLEARER = "Word the task more clearly, make it smaller, or give it to another model."
# By kind: what it is that the agent does.
_CIRCLES: Mapping[FailureKind, str] = {
    FailureKind.STUCK: "The agent goes in circles",
    FailureKind.UNKNOWN_TOOL: "The agent calls a tool that it does not have",
    FailureKind.BAD_ARGUMENTS: "The agent calls a tool with arguments that it does not take",
}


@dataclass(frozen=True)
class _Event:
    """A call with its result, as far as they count; and both as they were."""

    action: str
    outcome: str
    ok: bool
    call: ToolCall = field(compare=False)
    result: ToolResult = field(compare=False)


class Watch:
    """Sees an agent that does nothing, or the same again, and says when it has to stop."""

    def __init__(
        self,
        idle_turns: int,
        wrong: Callable[[ToolCall], FailureKind | None] = lambda call: None,
        hint: str = "",
    ) -> None:
        """`wrong` tells a call that can't be carried out; `hint` says where to see more."""
        self._idle_turns = idle_turns
        self._wrong = wrong
        self._hint = hint
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
            raise self._idled(said)
        if circle := self._circles.found():
            raise self._circled(circle, self._circles.last)

    def _idled(self, said: str) -> AttemptFailed:
        if not said.strip():
            return self._failure(
                FailureKind.EMPTY_ANSWER,
                f"The agent stopped without finishing: {self._idle} answers without a tool call, "
                f"the last one empty. {_ANOTHER}",
                said,
            )
        return self._failure(
            FailureKind.NO_RESULT,
            f"The agent stopped without finishing: {self._idle} answers without a tool call, the "
            f"last one: {one_line(said)!r}. {_CLEARER}",
            said,
        )

    def _circled(self, circle: str, last: _Event) -> AttemptFailed:
        kind = (None if last.ok else self._wrong(last.call)) or FailureKind.STUCK
        error = "" if last.ok else f", the last time with: {error_words(last.result).rstrip('.')}"
        way_out = _CLEARER if kind == FailureKind.STUCK else _ANOTHER
        return self._failure(
            kind, f"{_CIRCLES[kind]}: {circle}{error}. {way_out}", last.result.text
        )

    def _failure(self, kind: FailureKind, message: str, detail: str) -> AttemptFailed:
        return AttemptFailed(kind, f"{message} {self._hint}".rstrip(), detail=detail)


class Circles:
    """Remembers the last calls with their results."""

    def __init__(self) -> None:
        self._events: deque[_Event] = deque(maxlen=max(SAME_RESULT, SAME_FAULT, ALTERNATING))

    def note(self, calls: Sequence[ToolCall], results: Sequence[ToolResult]) -> None:
        self._events.extend(_event(*pair) for pair in zip(calls, results, strict=True))

    @property
    def last(self) -> _Event:
        return self._events[-1]

    def failing(self) -> bool:
        """Whether it is a call that fails again and again: one may be told of that, once."""
        faults = list(self._events)[-SAME_FAULT:]
        return _all_same([each.action for each in faults], SAME_FAULT) and not any(
            each.ok for each in faults
        )

    def forget(self) -> None:
        """Count anew."""
        self._events.clear()

    def found(self) -> str | None:
        """What the agent repeats, in words; None while it does not."""
        events = list(self._events)
        if _all_same(events[-SAME_RESULT:], SAME_RESULT):
            return f"`{call_words(self.last.call)}` had the same result {SAME_RESULT} times"
        if self.failing():
            return f"`{call_words(self.last.call)}` failed {SAME_FAULT} times"
        last = events[-ALTERNATING:]
        if _all_same(last[::2], ALTERNATING // 2) and _all_same(last[1::2], ALTERNATING // 2):
            two = " and ".join(f"`{call_words(each.call)}`" for each in events[-2:])
            return f"{two} took turns over {ALTERNATING} calls"
        return None


def _event(call: ToolCall, result: ToolResult) -> _Event:
    action = f"{call.name} {json.dumps(call.arguments, sort_keys=True, default=str)}"
    outcome = _NOISE.sub("", f"{result.exit_code} {result.output}")
    return _Event(action, outcome, result.ok, call, result)


def _all_same(items: Sequence[object], count: int) -> bool:
    return len(items) == count and all(item == items[0] for item in items)
