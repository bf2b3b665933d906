"""What holds for every dependency graph."""

from collections.abc import Mapping
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from conductor_app.domain import graph

Graph = dict[str, list[str]]


@st.composite
def graphs(draw: st.DrawFn, *, acyclic: bool) -> Graph:
    size = draw(st.integers(1, 12))
    names = [f"t{n}" for n in range(size)]
    return {
        name: draw(st.lists(st.sampled_from(names[:n] if acyclic else names), unique=True))
        if (n or not acyclic)
        else []
        for n, name in enumerate(names)
    }


agents = st.lists(st.sampled_from(["models", "api"]), min_size=12, max_size=12)


def reaches(needs: Mapping[str, list[str]], task: str) -> set[str]:
    """All that a task needs in the end, the slow and obvious way."""
    found: set[str] = set()
    while True:
        more = {n for t in found | {task} for n in needs.get(t, [])} - found
        if not more:
            return found
        found |= more


@given(graphs(acyclic=False))
def test_a_cycle_is_found_exactly_when_something_needs_itself(needs: Graph) -> None:
    cycle = graph.find_cycle(needs)
    assert (cycle is not None) == any(task in reaches(needs, task) for task in needs)
    if cycle is not None:
        assert cycle[0] == cycle[-1]
        assert all(after in needs[task] for task, after in pairwise(cycle))


@given(graphs(acyclic=False))
def test_without_the_tasks_of_its_cycles_a_graph_has_none(needs: Graph) -> None:
    seen = {task for cycle in graph.find_cycles(needs) for task in cycle}
    assert graph.find_cycle({t: n for t, n in needs.items() if t not in seen}) is None


@given(graphs(acyclic=True))
def test_order_and_levels_put_needs_first(needs: Graph) -> None:
    place = {task: n for n, task in enumerate(graph.order(needs))}
    level = {task: n for n, tasks in enumerate(graph.levels(needs)) for task in tasks}
    assert set(place) == set(level) == set(needs)
    for task, needed in needs.items():
        assert all(place[n] < place[task] and level[n] < level[task] for n in needed)


@given(graphs(acyclic=False))
def test_downstream_is_the_reverse_of_needing(needs: Graph) -> None:
    for start in needs:
        assert graph.downstream(needs, [start]) == {t for t in needs if start in reaches(needs, t)}


@given(graphs(acyclic=True), st.data())
def test_working_off_what_is_ready_does_everything_once(needs: Graph, data: st.DataObject) -> None:
    met: list[str] = []
    while ready := graph.ready(needs, set(met)):
        met.append(data.draw(st.sampled_from(ready)))
    assert sorted(met) == sorted(needs)


@given(graphs(acyclic=True), agents, st.integers(1, 16), st.data())
def test_every_link_of_a_chain_is_released_by_the_one_before_it(
    needs: Graph, kinds: list[str], limit: int, data: st.DataObject
) -> None:
    agent_of = dict(zip(needs, kinds, strict=False))
    done = set(graph.order(needs)[: data.draw(st.integers(0, len(needs)))])
    ready = graph.ready(needs, done)
    waiting = [task for task in needs if task not in done and task not in ready]
    unmet = {task: frozenset(needs[task]) - done for task in waiting}

    found = graph.chains(ready, agent_of, unmet, limit)

    assert [chain.links[0] for chain in found] == ready
    links = [link for chain in found for link in chain.links]
    assert len(links) == len(set(links)), "a task is in one chain only"
    for chain in found:
        assert len(chain.links) <= limit
        assert {agent_of[link] for link in chain.links} == {chain.agent}
        for n, link in enumerate(chain.links[1:], start=1):
            assert unmet[link] <= set(chain.links[:n])
            assert chain.links[n - 1] in unmet[link]


@given(graphs(acyclic=True), st.lists(st.integers(0, 100), min_size=12, max_size=12))
def test_no_path_is_longer_than_the_critical_one(needs: Graph, seconds: list[int]) -> None:
    durations = dict(zip(needs, map(float, seconds), strict=False))
    path = graph.critical_path(durations, needs)
    assert path.length == sum(durations[task] for task in path.tasks)
    assert all(a in needs[b] for a, b in pairwise(path.tasks))

    def longest(task: str) -> float:
        return durations[task] + max((longest(n) for n in needs[task]), default=0.0)

    assert path.length == max(longest(task) for task in needs)
