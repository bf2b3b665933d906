"""The conversation of an attempt as its model is told it; read back from a transcript as well."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workers.compaction import compact
from workers.turns import Message, ToolCall, ToolResult, Turn, Usage


@dataclass
class Exchange:
    """A turn, the results of its calls so far, and what Conductor said to it."""

    turn: Turn
    changes: bool
    results: list[ToolResult] = field(default_factory=list)
    note: str | None = None

    @property
    def open_calls(self) -> list[ToolCall]:
        """The calls that have no result yet."""
        answered = {result.call_id for result in self.results}
        return [call for call in self.turn.tool_calls if call.id not in answered]

    @property
    def whole(self) -> bool:
        """Whether nothing of it is missing; without calls it is whole when something was said.

        Nothing is said to a turn that only paused.
        """
        if self.turn.tool_calls:
            return not self.open_calls
        return self.note is not None or self.turn.stop == "paused"

    def in_order(self) -> tuple[ToolResult, ...]:
        """The results in the order of the calls."""
        by_id = {result.call_id: result for result in self.results}
        return tuple(by_id[call.id] for call in self.turn.tool_calls if call.id in by_id)


class Conversation:
    """Grows at its end only, but for compaction, so that a provider's cache finds its beginning."""

    def __init__(self, opening: Sequence[Message]) -> None:
        self.messages = list(opening)

    def add(self, exchange: Exchange) -> None:
        """A whole exchange."""
        turn = exchange.turn
        said = Message("assistant", turn.text, tool_calls=turn.tool_calls, raw=turn.raw)
        self.messages.append(said)
        if results := exchange.in_order():
            self.messages.append(Message("tool", results=results))
        if exchange.note is not None:
            self.messages.append(Message("user", exchange.note))

    def say(self, text: str) -> None:
        """Something that Conductor says between two turns."""
        self.messages.append(Message("user", text))

    def compact(self, target: int) -> None:
        self.messages = compact(self.messages, target)


@dataclass(frozen=True)
class Earlier:
    """How far an earlier attempt came, as its transcript tells.

    `exchanges` are whole, but for the last one when that has a question open; what was begun after
    the last whole one is not among them, and `clean` says that it can't have changed files.
    """

    header: dict[str, Any]
    lines: tuple[dict[str, Any], ...]
    conversation: Conversation
    exchanges: tuple[Exchange, ...]
    pending: Exchange | None
    clean: bool
    # What the model is to know of the interruption.
    remark: str | None = None

    @property
    def changed(self) -> bool:
        """Whether files may have changed."""
        return any(exchange.changes for exchange in self.exchanges)


def read_back(lines: Sequence[dict[str, Any]], asks: str) -> Earlier | None:
    """What the lines of a transcript tell; None when there is nothing to go on from.

    A turn whose only open call is of the tool `asks` waits for an answer, or to be told that it
    asks in a wrong way, and counts as it is.
    """
    if len(lines) < 2 or [line["type"] for line in lines[:2]] != ["transcript", "opening"]:
        return None
    if any(line["type"] == "transcript" for line in lines[1:]):
        # An agent in Python had several conversations: nobody knows which of them this is.
        return None
    try:
        return _read(lines, asks)
    except (KeyError, TypeError, ValueError):
        return None


def _read(lines: Sequence[dict[str, Any]], asks: str) -> Earlier | None:
    conversation = Conversation([Message(each["role"], each["text"]) for each in _opening(lines)])
    exchanges: list[Exchange] = []
    current: Exchange | None = None
    kept = 2
    for number, line in enumerate(lines[2:], start=3):
        match line["type"]:
            case "turn":
                current = Exchange(_turn(line), line["changes"])
            case "result" if current:
                current.results.append(_result(line))
            case "note" if current:
                current.note = line["text"]
            case "compacted":
                conversation.compact(line["target"])
                kept = number
            case "said":
                conversation.say(line["text"])
                kept = number
        # A note belongs to the results before it, in the same write: it is there or never will be.
        if current and current.whole and not _note_follows(lines, number):
            conversation.add(current)
            exchanges.append(current)
            current, kept = None, number
    pending = current if current and _asks(current, asks) else None
    if pending:
        kept = len(lines)
    clean = current is None or pending is not None or not current.changes
    if not exchanges and not pending:
        return None
    done = exchanges if pending is None else [*exchanges, pending]
    return Earlier(lines[0], tuple(lines[:kept]), conversation, tuple(done), pending, clean)


def _opening(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lines[1]["messages"]
    return found


def _note_follows(lines: Sequence[dict[str, Any]], number: int) -> bool:
    return number < len(lines) and lines[number]["type"] == "note"


def _asks(exchange: Exchange, asks: str) -> bool:
    return [call.name for call in exchange.open_calls] == [asks]


def _turn(line: dict[str, Any]) -> Turn:
    return Turn(
        text=line["text"],
        tool_calls=tuple(ToolCall(**call) for call in line["tool_calls"]),
        usage=Usage(**line["usage"]),
        model=line["model"],
        stop=line.get("stop", "done"),
        raw=line.get("raw"),
        request_id=line.get("request_id"),
    )


def _result(line: dict[str, Any]) -> ToolResult:
    return ToolResult(
        line["id"],
        line["ok"],
        line["output"],
        line["exit_code"],
        line["seconds"],
        Path(line["kept"]) if line["kept"] else None,
    )
