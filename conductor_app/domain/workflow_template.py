"""The parts of a template, field by field as the YAML has them: frozen, closed to other fields."""

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator

from conductor_app.domain.workflow_checks import (
    Check,
    Command,
    Environment,
    Model,
    ProjectPath,
    Seconds,
    Slug,
    Text,
)
from conductor_app.domain.workflow_inputs import InputSpec

InputName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
# A task of the same phase, or `2/key`: one of phase 2.
Reference = Annotated[str, StringConstraints(pattern=r"^([0-9]+/)?[a-z0-9]+(-[a-z0-9]+)*$")]
Concurrency = Annotated[int, Field(ge=1)]
FailureKind = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]

# What the documents call retryable, and everything that a second attempt, told what went wrong,
# can mend. Not here: CANCELLED, TOOL_LIMIT (the same again costs the same again), REFUSED (a model
# that refuses does so again), and what only a person can mend.
RETRYABLE: tuple[str, ...] = (
    "TIMEOUT",
    "API_LIMIT",
    "TEMPORARY_FAILURE",
    "CHECK_FAILED",
    "AGENT_ERROR",
    "NO_RESULT",
    "EMPTY_ANSWER",
    "UNKNOWN_TOOL",
    "BAD_ARGUMENTS",
    "OUTPUT_MISSING",
    "CONFLICT",
    "STUCK",
    "UNREADABLE",
)
FAILURE_KINDS: tuple[str, ...] = (
    *RETRYABLE,
    "CANCELLED",
    "TOOL_LIMIT",
    "REFUSED",
    "CREDENTIALS",
    "SPEND_LIMIT",
    "BAD_REQUEST",
    "BUDGET_EXHAUSTED",
    "SANDBOX_UNAVAILABLE",
    "SETUP_FAILED",
    "NOT_INSTALLED",
    "DENIED",
    "RECORDING_MISSING",
    "RECORDING_MISMATCH",
)


class RetryPolicy(Model):
    """How often a task is tried again, and when; `base` in seconds."""

    max: Annotated[int, Field(ge=0, le=100)] = 3
    backoff: Literal["linear", "exponential", "fixed"] = "exponential"
    base: Annotated[float, Field(ge=0, le=3600)] = 1.0
    on: tuple[FailureKind, ...] = RETRYABLE
    escalate_after: Annotated[int, Field(ge=1)] = 2


class Setup(Model):
    """The command that prepares the environment of checks, run again when a lockfile changes.

    `when` names an input without which there is none.
    """

    run: Command
    lockfiles: tuple[ProjectPath, ...] = ()
    when: str | None = None
    timeout: Seconds = 600


class Ready(Model):
    """When a service counts as up: the path answers 2xx; without one, its port does."""

    path: Annotated[str, StringConstraints(pattern=r"^/")] | None = None
    timeout: Seconds = 20


class Service(Model):
    """A program on `$PORT` that checks can talk to."""

    run: Command
    ready: Ready = Ready()
    env: Environment = Field(default_factory=dict)


class AgentSpec(Model):
    """An agent; in a template it overrides, field by field, the built-in one of the same name.

    `multipliers` and `capabilities` are keyed by phase number, `skills` are the capabilities in
    every phase; `function` names a BaseAgent (`pkg.module:Class` or an entry point), without it the
    agent is driven by its connector.
    """

    name: Slug
    title: str = ""
    depends_on: tuple[Slug, ...] = ()
    priority: int = 0
    base_seconds: Annotated[float, Field(gt=0)] = 30
    multipliers: dict[int, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    capabilities: dict[int, tuple[str, ...]] = Field(default_factory=dict)
    skills: tuple[str, ...] = ()
    connector: Slug | None = None
    # One of that connector's; a run with another connector uses that one's own model.
    model: Text | None = None
    concurrency: Concurrency | None = None
    # Hosts (`name` or `name:port`) that its commands may reach; none by itself.
    network: tuple[Text, ...] = ()
    # MCP servers of the project's settings (`docs`), or single tools of them (`docs/search`).
    mcp: tuple[Text, ...] = ()
    function: Text | None = None

    def seconds(self, phase: int) -> float:
        """How long a task of this phase is expected to take."""
        return self.base_seconds * self.multipliers.get(phase, 1.0)

    def abilities(self, phase: int) -> tuple[str, ...]:
        """What it can do in this phase, in words."""
        return (*self.skills, *self.capabilities.get(phase, ()))


# Above these sums of money stay exact in the database.
Tokens = Annotated[int, Field(ge=0, le=10**15)]
Usd = Annotated[Decimal, Field(ge=0, le=10**7)]


class TaskBudget(Model):
    """The caps of a task; None is no cap."""

    tokens: Tokens | None = None
    usd: Usd | None = None


class Budget(TaskBudget):
    """The caps of an execution; `minutes` are of working time: some attempt was under way."""

    minutes: Annotated[float, Field(gt=0)] | None = None


class Gate(Model):
    """A place where a person decides: before the phase named here, or before its own phase ends."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$")]
    before: str | int | None = None
    required: bool = True


class Hooks(Model):
    """Names of registered functions called as a phase starts and ends."""

    on_start: tuple[Text, ...] = ()
    on_end: tuple[Text, ...] = ()


class Wanted(Model):
    """Names of fields or artifacts that a phase must (or had better) have before it is left."""

    required: tuple[Text, ...] = ()
    optional: tuple[Text, ...] = ()


class TaskSpec(Model):
    """One agent's unit of work; `needs` None means: by the dependencies of its agent."""

    key: Slug
    title: Text
    agent: Slug
    prompt: str = ""
    needs: tuple[Reference, ...] | None = None
    milestone: Slug | None = None
    produces: tuple[ProjectPath, ...] = ()
    checks: tuple[Check, ...] = ()
    timeout: Seconds = 300
    retry: RetryPolicy = RetryPolicy()
    budget: TaskBudget = TaskBudget()
    files: bool = True


class MilestoneSpec(Model):
    """A named result of a phase."""

    key: Slug
    name: Text
    required_agents: tuple[Slug, ...] = ()
    checks: tuple[Check, ...] = ()
    function: Text | None = None


class PhaseSpec(Model):
    """An ordered part of the work, left only when everything that it names is true."""

    number: Annotated[int, Field(ge=0)]
    name: Text
    goal: str = ""
    required_agents: tuple[Slug, ...] = ()
    next_step: str = ""
    fields: Wanted = Wanted()
    artifacts: Wanted = Wanted()
    events: tuple[Text, ...] = ()
    hooks: Hooks = Hooks()
    gates: tuple[Gate, ...] = ()
    tasks: tuple[TaskSpec, ...] = ()
    milestones: tuple[MilestoneSpec, ...] = ()
    exit_criteria: tuple[Check, ...] = ()
    tests: tuple[Check, ...] = ()


class Template(Model):
    """A workflow as written."""

    name: Slug
    title: Text
    description: str = ""
    driver: Literal["automatic", "guided"] = "automatic"
    mode: Literal["normal", "test"] = "normal"
    inputs: dict[InputName, InputSpec] = Field(default_factory=dict)
    concurrency: Concurrency | None = None
    setup: Setup | None = None
    services: dict[Slug, Service] = Field(default_factory=dict)
    agents: dict[Slug, AgentSpec] = Field(default_factory=dict)
    budget: Budget = Budget()
    gates: tuple[Gate, ...] = ()
    phases: Annotated[tuple[PhaseSpec, ...], Field(min_length=1)]

    @field_validator("agents", mode="before")
    @classmethod
    def _named_by_their_keys(cls, agents: Any) -> Any:
        if not isinstance(agents, dict):
            return agents
        return {
            key: {"name": key, **agent} if isinstance(agent, dict) else agent
            for key, agent in agents.items()
        }
