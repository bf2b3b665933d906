"""Dependency graphs: order, cycles, what is ready, chains per agent, the critical path.

A graph is a mapping from a task to what it needs. Every function is linear in tasks and edges.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

Needs = Mapping[str, Iterable[str]]


@dataclass(frozen=True)
class Chain:
    """Tasks of one agent, each of which is released by the end of the one before it."""

    agent: str
    links: tuple[str, ...]


@dataclass(frozen=True)
class CriticalPath:
    """The longest way through a graph: no number of workers ends sooner."""

    length: float
    tasks: tuple[str, ...]


def find_cycle(needs: Needs) -> list[str] | None:
    """A cycle as `[a, b, a]`, each needing the next; None when there is none."""
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1]
        return cycle[::-1]
    return None


def find_cycles(needs: Needs) -> Iterator[list[str]]:
    """Cycles that share no task, as `find_cycle` has them, until none is left."""
    left = dict(needs)
    while cycle := find_cycle(left):
        yield cycle
        for task in cycle:
            left.pop(task, None)


def order(needs: Needs) -> list[str]:
    """Every task after all that it needs; raises graphlib.CycleError."""
    return list(TopologicalSorter(needs).static_order())


def levels(needs: Needs) -> list[list[str]]:
    """Tasks by depth: those of a level need only earlier levels; raises graphlib.CycleError."""
    sorter = TopologicalSorter(needs)
    sorter.prepare()
    found: list[list[str]] = []
    while sorter.is_active():
        level = list(sorter.get_ready())
        found.append(level)
        sorter.done(*level)
    return found


def ready(needs: Needs, met: Collection[str]) -> list[str]:
    """The tasks not yet met whose needs all are, in the graph's order."""
    return [task for task in needs if task not in met and all(need in met for need in needs[task])]


def dependents(needs: Needs) -> dict[str, list[str]]:
    """The graph turned round: who needs this task directly."""
    found: dict[str, list[str]] = defaultdict(list)
    for task, needed in needs.items():
        for need in needed:
            found[need].append(task)
    return dict(found)


def downstream(needs: Needs, starts: Iterable[str]) -> set[str]:
    """All that needs one of these tasks, directly or not; the starts only if they do too."""
    direct = dependents(needs)
    found: set[str] = set()
    open_ends = list(starts)
    while open_ends:
        for task in direct.get(open_ends.pop(), ()):
            if task not in found:
                found.add(task)
                open_ends.append(task)
    return found


def chains(
    ready: Sequence[str],
    agent_of: Mapping[str, str],
    unmet: Mapping[str, frozenset[str]],
    limit: int = 16,
) -> list[Chain]:
    """One chain for each ready task, lengthened by waiting tasks (`unmet`: what each still needs).

    A link is joined by a task of the same agent that needs it and otherwise only earlier links, so
    that the end of that link releases it. Of several such tasks only the first joins: the others
    are released at the same moment and go to other workers.
    """
    direct = dependents(unmet)
    taken: set[str] = set(ready)
    found: list[Chain] = []
    for start in ready:
        links = [start]
        covered: dict[str, int] = defaultdict(int)
        while len(links) < limit:
            released: str | None = None
            for task in direct.get(links[-1], ()):
                covered[task] += 1
                complete = covered[task] == len(unmet[task])
                same_agent = agent_of[task] == agent_of[start]
                if released is None and complete and same_agent and task not in taken:
                    released = task
            if released is None:
                break
            taken.add(released)
            links.append(released)
        found.append(Chain(agent_of[start], tuple(links)))
    return found


def critical_path(durations: Mapping[str, float], needs: Needs) -> CriticalPath:
    """The longest path by duration (any unit); raises graphlib.CycleError."""
    ends: dict[str, float] = {}
    before: dict[str, str | None] = {}
    for task in order(needs):
        latest = max(needs.get(task, ()), key=lambda need: ends[need], default=None)
        before[task] = latest
        ends[task] = (ends[latest] if latest is not None else 0.0) + durations.get(task, 0.0)
    if not ends:
        return CriticalPath(0.0, ())
    last: str | None = max(ends, key=lambda task: ends[task])
    length = ends[last] if last is not None else 0.0
    path: list[str] = []
    while last is not None:
        path.append(last)
        last = before[last]
    return CriticalPath(length, tuple(reversed(path)))
