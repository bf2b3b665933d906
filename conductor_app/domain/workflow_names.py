"""Rules on names: whatever a template refers to exists, and what it declares is referred to."""

from collections.abc import Collection, Iterator, Sequence

from conductor_app.domain import graph
from conductor_app.domain.spelling import closest
from conductor_app.domain.workflow_checks import PythonCheck, RubricCheck
from conductor_app.domain.workflow_inputs import names_in
from conductor_app.domain.workflow_plan import Agents, agents, full_key
from conductor_app.domain.workflow_problems import (
    Loc,
    Problem,
    Rule,
    Surroundings,
    checks,
    error,
    milestones,
    registered,
    tasks,
    unknown,
    warning,
)
from conductor_app.domain.workflow_template import (
    FAILURE_KINDS,
    AgentSpec,
    Gate,
    PhaseSpec,
    Template,
)


def own_agents(template: Template, around: Surroundings) -> Iterator[Problem]:
    available = agents(template, around.agents)
    for name, spec in template.agents.items():
        yield from _own_agent(name, spec, available, around)
    for cycle in graph.find_cycles({name: spec.depends_on for name, spec in available.items()}):
        own = next((name for name in cycle if name in template.agents), None)
        where: Loc = ("agents",) if own is None else ("agents", own, "depends_on")
        yield error(f"agents depend on each other: {' -> '.join(cycle)}", *where)


def _own_agent(
    name: str, spec: AgentSpec, available: Agents, around: Surroundings
) -> Iterator[Problem]:
    loc = ("agents", name)
    if spec.name != name:
        yield error(f"agent `{name}` calls itself `{spec.name}`", *loc, "name")
    for d, other in enumerate(spec.depends_on):
        if other not in available:
            yield unknown("agent", other, available, (*loc, "depends_on", d))
    if spec.connector is not None and around.connectors is not None:
        yield from _connector(spec.connector, around.connectors, (*loc, "connector"))
    if spec.function is not None and ":" not in spec.function:
        yield from registered("agent function", spec.function, around.functions, *loc, "function")


def _connector(name: str, known: Collection[str], loc: Loc) -> Iterator[Problem]:
    if name not in known:
        has = ", ".join(sorted(known))
        told = f"there is no connector `{name}`; this version has {has}, and refuses to start this"
        yield Problem("warning", told, loc, closest(name, list(known)))


def named_agents(template: Template, around: Surroundings) -> Iterator[Problem]:
    available = agents(template, around.agents)
    for loc, _, task, _ in tasks(template):
        if task.agent not in available:
            yield unknown("agent", task.agent, available, (*loc, "agent"))
        elif not task.prompt and available[task.agent].function is None:
            yield warning(f"task `{task.key}` tells its agent nothing: no `prompt`", *loc)
    for p, phase in enumerate(template.phases):
        where: Loc = ("phases", p, "required_agents")
        yield from _required(phase, phase.required_agents, available, where)
    for loc, phase, milestone in milestones(template):
        where = (*loc, "required_agents")
        yield from _required(phase, milestone.required_agents, available, where)


def _required(
    phase: PhaseSpec, required: Sequence[str], available: Agents, loc: Loc
) -> Iterator[Problem]:
    at_work = {task.agent for task in phase.tasks}
    for index, name in enumerate(required):
        if name not in available:
            yield unknown("agent", name, available, (*loc, index))
        elif name not in at_work:
            yield error(
                f"agent `{name}` is required, but has no task in phase {phase.number}", *loc, index
            )


def milestone_names(template: Template, around: Surroundings) -> Iterator[Problem]:
    for loc, phase, task, _ in tasks(template):
        keys = [milestone.key for milestone in phase.milestones]
        if task.milestone is not None and task.milestone not in keys:
            what = f"milestone of phase {phase.number}"
            yield unknown(what, task.milestone, keys, (*loc, "milestone"))
    for loc, phase, milestone in milestones(template):
        if all(task.milestone != milestone.key for task in phase.tasks):
            yield error(
                f"nothing can complete milestone `{milestone.key}`: no task of phase "
                f"{phase.number} names it",
                *loc,
            )
        function = milestone.function
        if function is not None and ":" not in function:
            yield from registered("function", function, around.functions, *loc, "function")


def check_names(template: Template, around: Surroundings) -> Iterator[Problem]:
    keys = {key for *_, key in tasks(template)}
    available = agents(template, around.agents)
    for loc, phase, check in checks(template):
        if check.service is not None and check.service not in template.services:
            yield unknown("service", check.service, template.services, (*loc, "service"))
        if check.task is not None and full_key(phase.number, check.task) not in keys:
            known = [*(task.key for task in phase.tasks), *keys]
            yield unknown("task", check.task, known, (*loc, "task"))
        if isinstance(check, PythonCheck) and ":" not in check.function:
            yield from registered("function", check.function, around.functions, *loc, "function")
        if isinstance(check, RubricCheck):
            yield from _review(check, available, loc)


def _review(check: RubricCheck, available: Agents, loc: Loc) -> Iterator[Problem]:
    if check.agent not in available:
        yield unknown("agent", check.agent, available, (*loc, "agent"))
    elif available[check.agent].function is not None:
        told = f"agent `{check.agent}` is a function, and a review takes an agent with a connector"
        yield error(told, *loc, "agent")
    if "tasks" in loc:
        yield error(
            "a task's checks judge its attempt; a review judges what came to the branch: put it "
            "under a milestone, `exit_criteria` or `tests`",
            *loc,
        )


def hooks(template: Template, around: Surroundings) -> Iterator[Problem]:
    for p, phase in enumerate(template.phases):
        for moment, names in (("on_start", phase.hooks.on_start), ("on_end", phase.hooks.on_end)):
            for h, name in enumerate(names):
                where = ("phases", p, "hooks", moment, h)
                yield from registered("hook", name, around.hooks, *where)


def gates(template: Template, around: Surroundings) -> Iterator[Problem]:
    phases = {str(word) for phase in template.phases for word in (phase.number, phase.name)}
    placed: list[tuple[Loc, Gate]] = [(("gates", g), gate) for g, gate in enumerate(template.gates)]
    for loc, gate in placed:
        if gate.before is None:
            yield error(f"gate `{gate.name}` needs `before`: a phase", *loc)
    for p, phase in enumerate(template.phases):
        placed += [(("phases", p, "gates", g), gate) for g, gate in enumerate(phase.gates)]
    for loc, gate in placed:
        if gate.before is not None and str(gate.before) not in phases:
            yield unknown("phase", str(gate.before), phases, (*loc, "before"))


def inputs(template: Template, around: Surroundings) -> Iterator[Problem]:
    used: set[str] = set()
    for loc, text in _texts(template.model_dump(by_alias=True), ()):
        for name in names_in(text):
            used.add(name)
            if name not in template.inputs:
                yield unknown("input", name, template.inputs, loc)
    conditions = [(where, check.when) for where, _, check in checks(template)]
    if template.setup is not None:
        conditions.append((("setup",), template.setup.when))
    for where, when in conditions:
        if when is not None:
            used.add(when)
            if when not in template.inputs:
                yield unknown("input", when, template.inputs, (*where, "when"))
    # An agent in Python reads them by itself.
    unseen = any(agent.function for agent in template.agents.values())
    for name in template.inputs:
        if name not in used and not unseen:
            yield warning(f"input `{name}` is never used", "inputs", name)


def _texts(part: object, loc: Loc) -> Iterator[tuple[Loc, str]]:
    match part:
        case str():
            yield loc, part
        case dict():
            for key, value in part.items():
                yield from _texts(value, (*loc, key))
        case list() | tuple():
            for index, value in enumerate(part):
                yield from _texts(value, (*loc, index))


def leftovers(template: Template, around: Surroundings) -> Iterator[Problem]:
    used = {check.service for *_, check in checks(template)}
    for name in template.services:
        if name not in used:
            yield warning(f"service `{name}` is never used", "services", name)
    for loc, _, task, _ in tasks(template):
        for index, kind in enumerate(task.retry.on):
            if kind not in FAILURE_KINDS:
                where = (*loc, "retry", "on", index)
                yield unknown("built-in failure kind", kind, FAILURE_KINDS, where, "warning")


RULES: tuple[Rule, ...] = (
    own_agents,
    named_agents,
    milestone_names,
    check_names,
    hooks,
    gates,
    inputs,
    leftovers,
)
