"""Dependency graphs by example."""

import pytest

from conductor_app.domain import graph
from conductor_app.domain.graph import Chain

DIAMOND = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}


def test_order_and_levels() -> None:
    assert graph.order(DIAMOND)[0] == "a"
    assert graph.order(DIAMOND)[-1] == "d"
    assert [sorted(level) for level in graph.levels(DIAMOND)] == [["a"], ["b", "c"], ["d"]]


def test_a_cycle_reads_in_the_direction_of_needs() -> None:
    assert graph.find_cycle(DIAMOND) is None
    cycle = graph.find_cycle({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]})
    assert cycle is not None
    assert cycle[0] == cycle[-1]
    assert " ".join(cycle) in {"a b c a", "b c a b", "c a b c"}


def test_ready_is_what_has_all_it_needs() -> None:
    assert graph.ready(DIAMOND, set()) == ["a"]
    assert graph.ready(DIAMOND, {"a", "c"}) == ["b"]


def test_downstream_is_everything_behind() -> None:
    assert graph.downstream(DIAMOND, ["b"]) == {"d"}
    assert graph.downstream(DIAMOND, ["a"]) == {"b", "c", "d"}


def test_a_chain_goes_on_while_one_link_releases_the_next() -> None:
    unmet = {"b": frozenset("a"), "c": frozenset("ab"), "d": frozenset("cx")}
    agents = dict.fromkeys("abcd", "models")
    assert graph.chains(["a"], agents, unmet) == [Chain("models", ("a", "b", "c"))]


def test_a_chain_stays_with_one_agent() -> None:
    unmet = {"b": frozenset("a"), "c": frozenset("b")}
    agents = {"a": "models", "b": "api", "c": "models"}
    assert graph.chains(["a"], agents, unmet) == [Chain("models", ("a",))]


def test_only_the_first_of_several_successors_joins_so_that_the_others_run_beside_it() -> None:
    unmet = {"b": frozenset("a"), "c": frozenset("a"), "d": frozenset("ab")}
    agents = dict.fromkeys("abcd", "models")
    assert graph.chains(["a"], agents, unmet) == [Chain("models", ("a", "b", "d"))]


def test_every_ready_task_begins_a_chain_and_no_chain_waits_for_another() -> None:
    unmet = {"c": frozenset("ab"), "d": frozenset("b")}
    agents = dict.fromkeys("abcd", "models")
    chains = graph.chains(["a", "b"], agents, unmet)
    assert chains == [Chain("models", ("a",)), Chain("models", ("b", "d"))]


def test_a_chain_has_a_limit() -> None:
    unmet = {f"t{n}": frozenset({f"t{n - 1}"}) for n in range(1, 100)}
    agents = {f"t{n}": "models" for n in range(100)}
    [chain] = graph.chains(["t0"], agents, unmet, limit=16)
    assert chain.links == tuple(f"t{n}" for n in range(16))


def test_the_critical_path_is_the_longest_way() -> None:
    path = graph.critical_path({"a": 1, "b": 5, "c": 2, "d": 1}, DIAMOND)
    assert (path.length, path.tasks) == (7, ("a", "b", "d"))
    assert graph.critical_path({}, {}).tasks == ()


@pytest.mark.parametrize("shape", ["wide", "deep", "layers"])
def test_ten_thousand_tasks_are_no_trouble(shape: str) -> None:
    needs: dict[str, list[str]] = {"t0": []}
    for n in range(1, 10_000):
        before = {"wide": 0, "deep": n - 1, "layers": max(0, n - 100)}[shape]
        needs[f"t{n}"] = [f"t{before}"]
    agents = dict.fromkeys(needs, "models")
    unmet = {task: frozenset(needed) for task, needed in needs.items() if needed}
    assert graph.find_cycle(needs) is None
    assert graph.critical_path(dict.fromkeys(needs, 1.0), needs).length >= 2
    assert graph.chains(["t0"], agents, unmet)[0].links[0] == "t0"
