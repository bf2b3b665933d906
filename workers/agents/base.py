"""What an agent is: the class to extend, what it is given, a connector too, what it gives back."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from conductor_app.domain.mcp import Offers
from workers.conversation import Earlier
from workers.environment import Environment
from workers.metering import Meter
from workers.sandbox import Sandbox
from workers.tools.workplace import Desk
from workers.turns import Usage

DEFAULT_DURATION_MS = 30_000.0


@dataclass(frozen=True)
class AgentTask:
    """One task as its agent sees it; `failures` counts the attempts at it that failed so far."""

    id: str
    key: str
    execution_id: str
    workflow: str
    phase: int
    phase_name: str
    agent: str
    title: str
    prompt: str = ""
    goal: str = ""
    produces: Sequence[str] = ()
    # What judges its commit, and what judges the branch afterwards, a line each.
    checks: Sequence[str] = ()
    later_checks: Sequence[str] = ()
    timeout: float = 300.0
    failures: int = 0
    # By heading: `notes`, what earlier attempts met (failures, reviews, conflicts); for agents with
    # a connector also lessons, patterns, the project and the map of its files.
    context: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def description(self) -> str:
        return f"{self.title}\n\n{self.prompt}".strip()


@dataclass
class AgentContext:
    """One attempt's surroundings.

    `worktree` is None for a task without files; `deadline` is a time of `time.monotonic()`;
    `artifacts` is the directory for the transcript and for outputs too long to show; `environment`
    is what the project's `setup` prepared, for commands to find. `usage` and `turns` grow while the
    agent works, so that an attempt that fails is accounted for as well. A connector reads the
    `task` and, as `system`, what the agent is told besides it. `cancelled` asks it to stop.
    """

    worktree: Path | None
    sandbox: Sandbox
    connector: "Connector | None"
    log: Callable[[str], None]
    cancelled: Callable[[], bool]
    deadline: float
    artifacts: Path
    environment: Environment | None = None
    # Every call that costs something goes through it; None where nothing can cost anything.
    meter: Meter | None = None
    usage: Usage = field(default_factory=Usage)
    turns: int = 0
    task: AgentTask | None = None
    system: str = ""
    # What its commands may reach of the network.
    hosts: Sequence[str] = ()
    desk: Desk | None = None
    # The MCP servers whose tools it may use.
    mcp: Offers = field(default_factory=Offers)
    # How far an earlier attempt came that this one goes on with, and what its own transcript says
    # of it in the first line.
    earlier: Earlier | None = None
    header: Mapping[str, Any] = field(default_factory=dict)
    # What stops a model's call or a tool that has begun; without it `cancelled` does.
    breaking_off: Callable[[], bool] | None = None

    def broken_off(self) -> bool:
        """Whether what has begun is to stop, and not only to be the last."""
        return (self.breaking_off or self.cancelled)()


@dataclass(frozen=True)
class AgentResult:
    """What the agent says that it did; Conductor's checks decide whether it is so."""

    summary: str
    usage: Usage = field(default_factory=Usage)
    turns: int = 0
    data: Mapping[str, Any] = field(default_factory=dict)


LogCallback = Callable[[str], None]


class Connector(Protocol):
    """The way to a model, to a coding agent, or to what stands for one, for one attempt."""

    name: str
    # Whether it reaches a real model and may cost money.
    live: bool

    def execute(self, prompt: str, context: AgentContext) -> AgentResult:
        """Carry out the task that the prompt describes; raises AttemptFailed."""
        ...

    def get_capabilities(self) -> list[str]:
        """The names of the tools that it lets an agent use."""
        ...

    def set_log_callback(self, callback: LogCallback) -> None: ...


class BaseAgent(ABC):
    """A named role that carries out tasks; extend it to do so in Python instead of by a connector.

    An agent that a workflow names is made without arguments for each attempt. Its `agent_type` is
    the name that the workflow has for it; if it sets no `name`, that is made of it.
    """

    agent_type: str = ""
    name: str = ""
    description: str = ""

    @abstractmethod
    def perform_task(self, task: AgentTask, context: AgentContext) -> AgentResult:
        """Do the task within `context.worktree`; raises AttemptFailed when that is not possible."""

    def get_capabilities(self, phase: int) -> list[str]:
        """What the agent can do in this phase, in words."""
        return []

    def can_handle_task(self, task: AgentTask) -> bool:
        """Asked before each task; a no fails it for good, since asking again brings the same."""
        return task.agent == self.agent_type

    def estimate_task_duration(self, task: AgentTask) -> float:
        """Milliseconds."""
        return DEFAULT_DURATION_MS
