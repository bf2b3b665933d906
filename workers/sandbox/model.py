"""What a confined command is asked to do, what it may use, and what came of it."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from conductor_app.errors import EnvironmentProblem, InvalidInput


class Level(StrEnum):
    """How strongly commands are confined on this machine, strongest first."""

    SANDLOCK = "sandlock"
    BUBBLEWRAP = "bubblewrap"
    UNCONFINED = "unconfined"


class SandboxUnavailable(EnvironmentProblem):
    """Commands can't be confined on this machine."""

    code = "sandbox_unavailable"


class CommandNotFound(InvalidInput):
    """There is no such program."""

    code = "command_not_found"


class SandboxFailed(EnvironmentProblem):
    """The command could not be started in the sandbox."""

    code = "sandbox_failed"


@dataclass(frozen=True)
class Limits:
    """What one command may use. Memory is meant per process, and for all its processes together."""

    seconds: float = 60
    processes: int = 256
    memory_mb: int = 2048
    file_mb: int = 512
    output_bytes: int = 10_000_000


@dataclass(frozen=True)
class CommandResult:
    """How a command ended.

    `output` is standard output and error as they came, its middle cut out when over the limit.
    `exit_code` is None when the command was killed; `killed_by` then says by what: `deadline`,
    `cancelled`, `processes`, `memory`, or the signal (`SIGSEGV`). `duration` is in seconds.
    """

    argv: tuple[str, ...]
    exit_code: int | None
    output: str
    duration: float
    timed_out: bool
    truncated: bool
    killed_by: str | None


@dataclass(frozen=True)
class Order:
    """One command as the supervisor process is told of it; `seconds` None means no deadline."""

    level: Level
    argv: tuple[str, ...]
    cwd: str
    env: dict[str, str]
    private: str
    readable: tuple[str, ...]
    writable: tuple[str, ...]
    network: bool
    loopback_port: int | None
    seconds: float | None
    limits: Limits
    tool: str
    grace: float = 5.0
    # `host:port`, the only ones that may be reached; or all but this machine.
    hosts: tuple[str, ...] = ()
    elsewhere: bool = False
    # A port of 127.0.0.1 that may be reached but not listened on, and the socket behind it.
    gateway: tuple[int, str] | None = None
    # Standard error comes by a pipe of its own; standard input is a pipe to the worker.
    separate: bool = False
    talks: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
