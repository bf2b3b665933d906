"""What the connectors of models share: an attempt with them is the agent loop."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from conductor_app.tool_specs import TOOLS, ToolSpec
from workers.agents.base import AgentContext, AgentResult, LogCallback
from workers.loop import LoopLimits, run_loop
from workers.turns import Message, ToolResult, Turn


class ModelConnector(ABC):
    """A connector that says one turn after the other; extend it with how a turn is had."""

    name: str
    live = True
    window: int | None = None
    loop_limits = LoopLimits()

    def __init__(self) -> None:
        self.log: LogCallback | None = None

    def execute(self, prompt: str, context: AgentContext) -> AgentResult:
        self.limit(context.broken_off, context.deadline)
        assert context.task is not None, "whoever runs an agent says which task it is"
        opening = [Message("system", context.system), Message("user", prompt)]
        return run_loop(context.task, context, opening, self.loop_limits)

    @abstractmethod
    def turn(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Turn:
        """The next turn; raises AttemptFailed."""

    # Nothing to override for most of them.
    def limit(self, cancelled: Callable[[], bool], deadline: float) -> None:  # noqa: B027
        """From now on no call outlasts that, where calls can take long."""

    def observe(self, results: Sequence[ToolResult]) -> None:  # noqa: B027
        """Nothing to do for a model that is told the results in its next turn."""

    def recorded_answer(self, call_id: str) -> str | None:
        """What a person answered when this question was recorded; None: somebody is asked."""
        return None

    def resume(self, turns: int) -> None:  # noqa: B027
        """Nothing to do for a model that is told the whole conversation in each turn."""

    def get_capabilities(self) -> list[str]:
        return sorted(TOOLS)

    def set_log_callback(self, callback: LogCallback) -> None:
        self.log = callback
