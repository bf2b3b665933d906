"""A workflow: the template as written, and what follows from it for an execution."""

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any, TypeVar

from conductor_app.domain import workflow_inputs, workflow_names, workflow_order, workflow_plan
from conductor_app.domain.spelling import closest
from conductor_app.domain.workflow_checks import (
    BaseCheck,
    Check,
    CommandCheck,
    FileCheck,
    HttpCheck,
    HttpRequest,
    LoadCheck,
    PythonCheck,
    RubricCheck,
    SqlCheck,
    SqlExpectation,
)
from conductor_app.domain.workflow_given import given_checks, given_setup
from conductor_app.domain.workflow_inputs import InputSpec, headline, render
from conductor_app.domain.workflow_plan import PlannedTask
from conductor_app.domain.workflow_problems import Problem, Surroundings, check_lists
from conductor_app.domain.workflow_template import (
    FAILURE_KINDS,
    RETRYABLE,
    AgentSpec,
    Budget,
    Gate,
    Hooks,
    MilestoneSpec,
    PhaseSpec,
    Ready,
    RetryPolicy,
    Service,
    Setup,
    TaskSpec,
    Template,
    Wanted,
)
from conductor_app.errors import NotFound

__all__ = [
    "FAILURE_KINDS",
    "RETRYABLE",
    "AgentSpec",
    "BaseCheck",
    "Budget",
    "Check",
    "CommandCheck",
    "FileCheck",
    "Gate",
    "Hooks",
    "HttpCheck",
    "HttpRequest",
    "InputSpec",
    "LoadCheck",
    "MilestoneSpec",
    "PhaseSpec",
    "PlannedTask",
    "Problem",
    "PythonCheck",
    "Ready",
    "RetryPolicy",
    "RubricCheck",
    "Service",
    "Setup",
    "SqlCheck",
    "SqlExpectation",
    "TaskSpec",
    "Template",
    "Wanted",
    "Workflow",
    "given_checks",
    "given_setup",
    "headline",
    "render",
]


Part = TypeVar("Part", TaskSpec, MilestoneSpec)


class Workflow(Template):
    """A template with the questions that the engine asks it."""

    def agent(self, name: str, known: Mapping[str, AgentSpec]) -> AgentSpec:
        """The agent as this workflow overrides or defines it; raises NotFound."""
        return workflow_plan.agent(self, name, known)

    def all_agents(self, known: Mapping[str, AgentSpec]) -> dict[str, AgentSpec]:
        """The known agents as overridden here, and those that only this workflow has."""
        return workflow_plan.agents(self, known)

    def phase(self, number: int) -> PhaseSpec:
        """The phase of this number; raises NotFound."""
        if not 0 <= number < len(self.phases):
            last = len(self.phases) - 1
            raise NotFound(f"Workflow `{self.name}` has no phase {number}; its last is {last}.")
        return self.phases[number]

    def task(self, key: str) -> TaskSpec:
        """The task of this full key (`0/base-types`); raises NotFound."""
        return _named(self._tasks, key, f"Workflow `{self.name}` has no task")

    def milestone(self, key: str) -> MilestoneSpec:
        """The milestone of this full key (`0/docker-environment`); raises NotFound."""
        return _named(self._milestones, key, f"Workflow `{self.name}` has no milestone")

    def plan(self, known_agents: Mapping[str, AgentSpec]) -> list[PlannedTask]:
        """Every task of every phase with full keys, needs and priority."""
        return workflow_plan.plan(self, known_agents)

    def parse_inputs(self, given: Mapping[str, str]) -> dict[str, Any]:
        """A typed value for every declared input; raises InvalidInput with all problems."""
        return workflow_inputs.parse_inputs(self.inputs, given)

    def require_fit(self, inputs: Mapping[str, Any]) -> None:
        """Raises InvalidInput when these inputs, filled in, make a check or the setup invalid."""
        given_setup(self.setup, inputs)
        for *_, checks in check_lists(self):
            given_checks(checks, inputs)

    def reviews(self, phase: int | None = None) -> list[RubricCheck]:
        """The checks by criteria that agents judge, of one phase or all."""
        return [
            check
            for _, of, checks in check_lists(self)
            for check in checks
            if isinstance(check, RubricCheck) and phase in (None, of.number)
        ]

    def problems(
        self,
        known_agents: Mapping[str, AgentSpec],
        connectors: Collection[str] | None = None,
        functions: Collection[str] | None = None,
        hooks: Collection[str] | None = None,
    ) -> list[Problem]:
        """All errors and warnings; names given as None are not known here and judge nothing."""
        around = Surroundings(known_agents, connectors, functions, hooks)
        rules = (*workflow_order.RULES, *workflow_names.RULES)
        return [problem for rule in rules for problem in rule(self, around)]

    @cached_property
    def _tasks(self) -> dict[str, TaskSpec]:
        return {f"{p.number}/{task.key}": task for p in self.phases for task in p.tasks}

    @cached_property
    def _milestones(self) -> dict[str, MilestoneSpec]:
        return {f"{p.number}/{each.key}": each for p in self.phases for each in p.milestones}


def _named(known: Mapping[str, Part], key: str, missing: str) -> Part:
    if key in known:
        return known[key]
    near = closest(key, known)
    meant = f"Did you mean `{near}`?" if near else "`conductor check` reads the template."
    raise NotFound(f"{missing} `{key}`. {meant}")
