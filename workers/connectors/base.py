"""What the loop asks of a connector whose attempts it carries out."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from conductor_app.tool_specs import ToolSpec
from workers.agents.base import Connector
from workers.turns import Message, ToolResult, Turn


@runtime_checkable
class Model(Connector, Protocol):
    """A connector whose attempts are carried out in the loop, turn by turn."""

    # How many tokens a conversation may have; None where there is no such limit.
    window: int | None

    def limit(self, cancelled: Callable[[], bool], deadline: float) -> None:
        """From now on no call lasts longer (a time of `time.monotonic()`) or is made for nobody."""
        ...

    def turn(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Turn:
        """The next turn; raises AttemptFailed."""
        ...

    def observe(self, results: Sequence[ToolResult]) -> None:
        """Told the results of a turn's calls as soon as they exist, also after the last turn."""
        ...

    def recorded_answer(self, call_id: str) -> str | None:
        """What a person answered to this call's question before; None: somebody is asked."""
        ...

    def resume(self, turns: int) -> None:
        """Told before the first turn that an earlier attempt has had so many already."""
        ...
