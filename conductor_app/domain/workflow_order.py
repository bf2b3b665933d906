"""Rules on the order of things: phases in sequence, keys once, needs that can be met, no cycles."""

from collections.abc import Iterator, Sequence

from conductor_app.domain import graph
from conductor_app.domain.workflow_plan import agents, full_key, needs_in
from conductor_app.domain.workflow_problems import (
    Problem,
    Rule,
    Surroundings,
    check_lists,
    error,
    tasks,
    unknown,
    warning,
)
from conductor_app.domain.workflow_template import Template


def phases(template: Template, around: Surroundings) -> Iterator[Problem]:
    for p, phase in enumerate(template.phases):
        if phase.number != p:
            yield error(
                f"phase `{phase.name}` has number {phase.number} where {p} follows; "
                "phases are numbered from 0 without gaps",
                *("phases", p, "number"),
            )
        if not phase.tasks:
            yield warning(f"phase {phase.number} `{phase.name}` has no tasks", "phases", p)


def duplicates(template: Template, around: Surroundings) -> Iterator[Problem]:
    for p, phase in enumerate(template.phases):
        for field, keys in (
            ("tasks", [task.key for task in phase.tasks]),
            ("milestones", [milestone.key for milestone in phase.milestones]),
        ):
            for index, key in _repeated(keys):
                yield error(
                    f"`{key}` is already used in phase {phase.number}; keys are unique in a phase",
                    *("phases", p, field, index, "key"),
                )
    for loc, _, checks in check_lists(template):
        for index, name in _repeated([check.name for check in checks]):
            yield error(f"a check is already called `{name}` here", *loc, index, "name")


def _repeated(words: Sequence[str]) -> Iterator[tuple[int, str]]:
    seen: set[str] = set()
    for index, word in enumerate(words):
        if word in seen:
            yield index, word
        seen.add(word)


def needs(template: Template, around: Surroundings) -> Iterator[Problem]:
    placed = {key: (loc, phase) for loc, phase, _, key in tasks(template)}
    for loc, phase, task, key in tasks(template):
        for n, need in enumerate(task.needs or ()):
            wanted, where = full_key(phase.number, need), (*loc, "needs", n)
            if wanted not in placed:
                known = [*(other.key for other in phase.tasks), *placed]
                yield unknown("task", need, (name for name in known if name != key), where)
            elif placed[wanted][1].number > phase.number:
                yield error(
                    f"`{key}` needs `{wanted}` of a later phase, and so both would wait for ever",
                    *where,
                )


def cycles(template: Template, around: Surroundings) -> Iterator[Problem]:
    placed = {key: loc for loc, _, _, key in tasks(template)}
    for cycle in graph.find_cycles(_graph(template, around)):
        sentence = f"tasks wait for each other: {' -> '.join(cycle)}"
        yield error(sentence, *placed[cycle[0]], "needs")


def unreachable(template: Template, around: Surroundings) -> Iterator[Problem]:
    """Tasks behind one that can't start; that one itself has a problem of its own."""
    placed = {key: (loc, phase.number) for loc, phase, _, key in tasks(template)}
    needs = _graph(template, around)
    hopeless = {key for cycle in graph.find_cycles(needs) for key in cycle}
    for key, needed in needs.items():
        if any(n not in placed or placed[n][1] > placed[key][1] for n in needed):
            hopeless.add(key)
    behind = graph.downstream(needs, hopeless) - hopeless
    for key in needs:
        if key in behind:
            blocker = next(n for n in needs[key] if n in hopeless or n in behind)
            sentence = f"`{key}` can never start: it waits for `{blocker}`, which never can either"
            yield error(sentence, *placed[key][0])


def _graph(template: Template, around: Surroundings) -> dict[str, tuple[str, ...]]:
    available = agents(template, around.agents)
    return {
        full_key(phase.number, task.key): needed
        for phase in template.phases
        for task, needed in needs_in(phase, available)
    }


RULES: tuple[Rule, ...] = (phases, duplicates, needs, cycles, unreachable)
