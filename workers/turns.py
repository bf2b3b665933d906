"""What loop and connectors speak in: messages, turns, tool calls, results, usage."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal


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
