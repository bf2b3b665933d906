"""Shortens a conversation that outgrows its model's window, the same way each time.

The task, the first turn and the last ones stay. Old outputs of tools go first, then whole turns,
the oldest first: a call never loses its result, nor a result its call.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from workers.turns import Message, ToolResult

# At this share of its window a conversation is shortened, to that share: seldom, since each time
# a provider's cache has to read all anew.
FULL = 0.75
AFTERWARDS = 0.4
# Tokens are not known before they are counted; prose has more characters for each, code as many.
CHARACTERS_PER_TOKEN = 3
# These stay as they are as long as there is anything else to leave out.
_LAST_TURNS = 6
_SHORT = 300


@dataclass(frozen=True)
class _Turn:
    """A model's message and all that was said until its next one; one that paused has several."""

    messages: tuple[Message, ...]

    @property
    def size(self) -> int:
        return size(self.messages)

    def without_outputs(self) -> "_Turn":
        return _Turn(tuple(_without_outputs(message) for message in self.messages))


def size(messages: Sequence[Message]) -> int:
    """About how many tokens these are, rather too many than too few."""
    return sum(_characters(message) for message in messages) // CHARACTERS_PER_TOKEN + 1


def compact(messages: Sequence[Message], target: int) -> list[Message]:
    """The conversation in about `target` tokens.

    Only what can't be missed may be longer: the opening, and the last turn without its outputs.
    """
    opening, turns = _split(messages)
    keep = min(_LAST_TURNS, max(1, len(turns) - 1))
    turns = _shortened(opening, turns, target, range(1, len(turns) - keep))
    turns, dropped = _dropped(opening, turns, target, keep)
    turns = _shortened(opening, turns, target, range(len(turns)), dropped)
    while len(turns) > 1 and _total(opening, turns, dropped) > target:
        # The first turn goes last: what follows it is nearer to what is being done.
        gone = 1 if len(turns) > 2 else 0
        turns = [*turns[:gone], *turns[gone + 1 :]]
        dropped += 1
    return [*opening, *_said(turns, dropped)]


def _split(messages: Sequence[Message]) -> tuple[list[Message], list[_Turn]]:
    roles = [None, *(message.role for message in messages)]
    starts = [n for n, role in enumerate(roles[1:]) if role == "assistant" != roles[n]]
    opening = list(messages[: starts[0]] if starts else messages)
    ends = [*starts[1:], len(messages)] if starts else []
    return opening, [
        _Turn(tuple(messages[start:end])) for start, end in zip(starts, ends, strict=True)
    ]


def _shortened(
    opening: Sequence[Message],
    turns: Sequence[_Turn],
    target: int,
    which: range,
    dropped: int = 0,
) -> list[_Turn]:
    """Without the outputs of as many of these turns as it takes, the oldest first."""
    turns = list(turns)
    excess = _total(opening, turns, dropped) - target
    for number in which:
        if excess <= 0:
            break
        short = turns[number].without_outputs()
        excess -= turns[number].size - short.size
        turns[number] = short
    return turns


def _dropped(
    opening: Sequence[Message], turns: Sequence[_Turn], target: int, keep: int
) -> tuple[list[_Turn], int]:
    """Without as many whole turns as it takes, of those between the first and the last ones."""
    excess = _total(opening, turns, 0) - target
    dropped = 0
    while excess > 0 and 1 + dropped < len(turns) - keep:
        excess -= turns[1 + dropped].size
        dropped += 1
    return [*turns[:1], *turns[1 + dropped :]], dropped


def _total(opening: Sequence[Message], turns: Sequence[_Turn], dropped: int) -> int:
    return size([*opening, *_said(turns, dropped)])


def _said(turns: Sequence[_Turn], dropped: int) -> list[Message]:
    flat = [list(turn.messages) for turn in turns]
    if dropped and flat:
        # In the turn before the gap, so that no turn begins with it.
        gap = 0 if len(flat) > 1 else -1
        note = (
            f"{dropped} turns were left out here, for the conversation had become too long. What "
            "they changed is in the files; look there for what you need to know."
        )
        flat[gap].append(Message("user", note))
    return [message for messages in flat for message in messages]


def _without_outputs(message: Message) -> Message:
    if not message.results:
        return message
    return replace(message, results=tuple(_without_output(each) for each in message.results))


def _without_output(result: ToolResult) -> ToolResult:
    if len(result.output) <= _SHORT:
        return result
    place = f"the file {result.kept.name}" if result.kept else "the attempt's transcript"
    note = (
        f"[{len(result.output):,} characters were left out here later on; they are kept in {place}."
        " Call the tool again if you need to see them.]"
    )
    return replace(result, output=note)


def _characters(message: Message) -> int:
    results = sum(len(each.text) + len(each.call_id) for each in message.results)
    if message.raw is not None:
        return len(json.dumps(message.raw, default=str)) + results
    calls = sum(
        len(call.name) + len(call.id) + len(json.dumps(call.arguments, default=str))
        for call in message.tool_calls
    )
    return len(message.text) + calls + results
