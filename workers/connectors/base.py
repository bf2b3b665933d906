"""The words that loop and connectors share: messages, turns, tool calls, results, usage."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from conductor_app.tool_specs import ToolSpec

if TYPE_CHECKING:
    from workers.agents.base import AgentContext, AgentResult


@dataclass(frozen=True)
class Usage:
    """What turns cost: tokens (input is all of it, with what was read from or written to the cache)
    and nano-USD."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cost_nano_usd: int = 0
    cache_write_tokens: int = 0

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def __bool__(self) -> bool:
        return self != Usage()

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cost_nano_usd + other.cost_nano_usd,
            self.cache_write_tokens + other.cache_write_tokens,
        )


@dataclass(frozen=True)
class ToolCall:
    """A model's wish; the arguments are whatever it said, nothing is checked yet."""

    id: str
    name: str
    arguments: Any = field(default_factory=dict)


@dataclass(frozen=True)
class ToolResult:
    """What came of one tool call; `output` is already cut, the whole is in the file `kept`."""

    call_id: str
    ok: bool
    output: str
    exit_code: int | None = None
    seconds: float = 0.0
    kept: Path | None = None

    @property
    def text(self) -> str:
        """What the model reads: a command's exit code and duration come first."""
        if self.exit_code is None:
            return self.output
        return f"exit code {self.exit_code} after {self.seconds:.2f} s\n{self.output}"


@dataclass(frozen=True)
class Message:
    """One entry of a conversation; a `tool` message answers every call of the turn before it."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    results: tuple[ToolResult, ...] = ()
    # An assistant's message as its provider wants it back (JSON): thoughts, signatures, item ids.
    raw: Any = None


# Why a model stopped: it is done or calls tools, its output was cut, it refused, it only paused.
Stop = Literal["done", "cut", "refused", "paused"]


@dataclass(frozen=True)
class Turn:
    """A model's answer; the calls of one that was cut or refused are never carried out."""

    text: str
    tool_calls: tuple[ToolCall, ...]
    usage: Usage
    model: str
    stop: Stop = "done"
    raw: Any = None
    request_id: str | None = None


LogCallback = Callable[[str], None]


class Connector(Protocol):
    """The way to a model, to a coding agent, or to what stands for one, for one attempt."""

    name: str
    # Whether it reaches a real model and may cost money.
    live: bool

    def execute(self, prompt: str, context: "AgentContext") -> "AgentResult":
        """Carry out the task that the prompt describes; raises AttemptFailed."""
        ...

    def get_capabilities(self) -> list[str]:
        """The names of the tools that it lets an agent use."""
        ...

    def set_log_callback(self, callback: LogCallback) -> None: ...


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

    def resume(self, turns: int) -> None:
        """Told before the first turn that an earlier attempt has had so many already."""
        ...
