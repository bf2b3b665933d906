"""A connector that says what a test tells it to, and remembers what it was told."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from conductor_app.tool_specs import ToolSpec
from workers.connectors.model import ModelConnector
from workers.turns import Message, ToolCall, ToolResult, Turn, Usage

Step = Turn | Callable[[Sequence[Message]], Turn]


def says(text: str = "", *calls: tuple[str, Any], usage: Usage | None = None) -> Turn:
    """A turn with these calls, given as (tool, arguments)."""
    return Turn(
        text=text,
        tool_calls=tuple(
            ToolCall(f"c{number}", name, arguments)
            for number, (name, arguments) in enumerate(calls, start=1)
        ),
        usage=usage or Usage(100, 10),
        model="scripted",
    )


FINISH = says("done", ("finish", {"summary": "all done"}))


class ScriptedConnector(ModelConnector):
    """Gives one step after the other; a step may be a function of the conversation so far."""

    name = "scripted"
    live = False

    def __init__(self, steps: Iterable[Step]) -> None:
        super().__init__()
        self._steps: Iterator[Step] = iter(steps)
        self.conversations: list[list[Message]] = []
        self.offered: list[str] = []
        self.observed: list[tuple[ToolResult, ...]] = []

    def turn(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Turn:
        self.conversations.append(list(messages))
        self.offered = [tool.name for tool in tools]
        step = next(self._steps)
        return step if isinstance(step, Turn) else step(messages)

    def observe(self, results: Sequence[ToolResult]) -> None:
        self.observed.append(tuple(results))
