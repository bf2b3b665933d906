"""From a template to the rows of an execution: agents resolved, needs written out, priorities."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from conductor_app.domain import priority
from conductor_app.domain.spelling import closest
from conductor_app.domain.workflow_template import AgentSpec, PhaseSpec, TaskSpec, Template
from conductor_app.errors import NotFound

Agents = Mapping[str, AgentSpec]


@dataclass(frozen=True)
class PlannedTask:
    """A task as an execution gets it: full keys (`0/base-types`), needs after the default rule."""

    key: str
    phase: int
    agent: str
    priority: int
    needs: tuple[str, ...]
    milestone: str | None
    files: bool
    spec: TaskSpec


def full_key(phase: int, reference: str) -> str:
    """`key` as `<phase>/key`; what names its phase already stays."""
    return reference if "/" in reference else f"{phase}/{reference}"


def agents(template: Template, known: Agents) -> dict[str, AgentSpec]:
    """The known agents, with what the template sets in their place and what it adds."""
    found = dict(known)
    for name, spec in template.agents.items():
        base = known.get(name)
        found[name] = spec if base is None else base.model_copy(update=_given(spec))
    return found


def agent(template: Template, name: str, known: Agents) -> AgentSpec:
    """The agent as this workflow uses it; raises NotFound."""
    available = agents(template, known)
    if name in available:
        return available[name]
    near = closest(name, available)
    meant = f"Did you mean `{near}`?" if near else f"There are: {', '.join(available)}."
    raise NotFound(f"Workflow `{template.name}` knows no agent `{name}`. {meant}")


def plan(template: Template, known: Agents) -> list[PlannedTask]:
    """Every task of every phase, in the template's order, for a template without problems."""
    available = agents(template, known)
    return [
        PlannedTask(
            key=full_key(phase.number, task.key),
            phase=phase.number,
            agent=task.agent,
            priority=priority.of_task(phase.number, available[task.agent].priority),
            needs=needs,
            milestone=task.milestone and full_key(phase.number, task.milestone),
            files=task.files,
            spec=task,
        )
        for phase in template.phases
        for task, needs in needs_in(phase, available)
    ]


def needs_in(phase: PhaseSpec, available: Agents) -> Iterable[tuple[TaskSpec, tuple[str, ...]]]:
    """Each task of a phase with the full keys that it needs; agents that are not known need none.

    Without `needs` a task depends on the tasks, in its phase, of the agents that its agent depends
    on; an explicit list, also an empty one, replaces that.
    """
    by_agent: dict[str, list[str]] = {}
    for task in phase.tasks:
        by_agent.setdefault(task.agent, []).append(full_key(phase.number, task.key))
    by_rule = {
        name: tuple(key for other in available[name].depends_on for key in by_agent.get(other, ()))
        for name in by_agent
        if name in available
    }
    for task in phase.tasks:
        if task.needs is None:
            yield task, by_rule.get(task.agent, ())
        else:
            yield task, tuple(dict.fromkeys(full_key(phase.number, need) for need in task.needs))


def _given(spec: AgentSpec) -> dict[str, object]:
    return {field: getattr(spec, field) for field in spec.model_fields_set}
