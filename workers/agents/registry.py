"""Finds the agent for a task: registered here, named by the workflow, or driven by a connector."""

import importlib
from collections.abc import Callable
from typing import Any, cast

from conductor_app import logs
from conductor_app.domain.workflow_template import AgentSpec
from workers.agents import description
from workers.agents.base import BaseAgent
from workers.agents.connector_agent import ConnectorAgent
from workers.extensions import RESTART, BrokenExtension, Extensions, UnknownExtension
from workers.failures import AttemptFailed, FailureKind

GROUP = "conductor.agents"


class AgentRegistry:
    """The agents written in Python that this process knows."""

    def __init__(self) -> None:
        self._registered: dict[str, BaseAgent] = {}
        self._installed: Extensions[Callable[[], BaseAgent]] = Extensions(GROUP)
        self._told: dict[str, dict[str, Any]] = {}

    def register(self, agent: BaseAgent) -> None:
        """Let this agent do every task for its `agent_type`, in place of what is declared."""
        if not agent.agent_type:
            raise BrokenExtension(
                f"{type(agent).__name__} has no agent_type. Set it to the name that tasks call."
            )
        self._registered[agent.agent_type] = agent

    def names(self) -> list[str]:
        return sorted({*self._registered, *self._installed.names()})

    def resolve(self, spec: AgentSpec) -> BaseAgent:
        """The agent for tasks of this specification.

        Raises AttemptFailed when the function it names can't be had.
        """
        if spec.name in self._registered:
            return self._registered[spec.name]
        if spec.function is None:
            return ConnectorAgent(spec)
        try:
            return _made(spec, self._function(spec.function))
        except (UnknownExtension, BrokenExtension) as error:
            raise AttemptFailed(FailureKind.AGENT_ERROR, error.message, retryable=False) from error

    def told(self) -> dict[str, dict[str, Any]]:
        """By function, what agents say of themselves: those installed, and all that worked here."""
        for name in self._installed.names():
            try:
                # Its name is its package's to choose, so nothing is demanded of it here.
                spec = AgentSpec.model_construct(name=name, function=name)
                self.introduce(name, self.resolve(spec))
            except Exception as problem:
                # Tasks that need it fail with this; the worker has others.
                logs.warning("agent_broken", name=name, error=problem)
        return dict(self._told)

    def introduce(self, function: str, agent: BaseAgent) -> bool:
        """Whether it says something that was not told of this function yet."""
        said = description.told(agent)
        news = self._told.get(function) != said
        self._told[function] = said
        return news

    def needs_connector(self, spec: AgentSpec) -> bool:
        """Whether tasks of this specification are carried out by a connector."""
        return spec.function is None and spec.name not in self._registered

    def _function(self, name: str) -> Callable[[], BaseAgent]:
        return _imported(name) if ":" in name else self._installed.find(name)


def _imported(name: str) -> Callable[[], BaseAgent]:
    module, _, attribute = name.partition(":")
    try:
        return cast(Callable[[], BaseAgent], getattr(importlib.import_module(module), attribute))
    except (ImportError, AttributeError, ValueError) as error:
        raise BrokenExtension(
            f"The agent function {name!r} could not be imported: {error}. "
            "Install its package where the workers run, or correct `function` in the workflow; "
            f"{RESTART}"
        ) from error


def _made(spec: AgentSpec, function: Callable[[], BaseAgent]) -> BaseAgent:
    agent = function()
    if not isinstance(agent, BaseAgent):
        raise BrokenExtension(
            f"{spec.function!r} gives a {type(agent).__name__}, which is no BaseAgent. "
            "Make it extend workers.agents.base.BaseAgent."
        )
    agent.agent_type = spec.name
    agent.name = agent.name or f"agent-{spec.name}"
    return agent
