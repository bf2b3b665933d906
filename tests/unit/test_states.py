"""The tables of states: closed, reachable, and as the rules that are built on them expect."""

from enum import StrEnum

import pytest

from conductor_app.domain.states import (
    EXECUTION_ENDED,
    NEED_MET,
    TABLES,
    TASK,
    TASK_ENDED,
    TASK_IN_FLIGHT,
    AttemptState,
    ExecutionState,
    JobState,
    MilestoneState,
    PhaseState,
    TaskState,
    allowed,
)

STATES: dict[str, type[StrEnum]] = {
    "execution": ExecutionState,
    "phase": PhaseState,
    "task": TaskState,
    "job": JobState,
    "attempt": AttemptState,
    "milestone": MilestoneState,
}
FIRST = {
    "execution": "pending",
    "phase": "pending",
    "task": "waiting",
    "job": "queued",
    "attempt": "active",
    "milestone": "pending",
}


def test_every_kind_of_row_has_its_table() -> None:
    assert TABLES.keys() == STATES.keys()


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_is_closed(kind: str) -> None:
    """It names every state and no other."""
    names = {state.value for state in STATES[kind]}
    assert set(TABLES[kind]) == names
    assert set().union(*TABLES[kind].values()) <= names


@pytest.mark.parametrize("kind", TABLES)
def test_every_state_is_reached_from_the_first(kind: str) -> None:
    reached, front = {FIRST[kind]}, [FIRST[kind]]
    while front:
        for after in TABLES[kind][front.pop()] - reached:
            reached.add(after)
            front.append(after)
    assert reached == set(TABLES[kind])


@pytest.mark.parametrize("kind", TABLES)
def test_no_state_leads_to_itself(kind: str) -> None:
    assert not [state for state, after in TABLES[kind].items() if state in after]


@pytest.mark.parametrize("kind", TABLES)
def test_every_state_has_a_way_to_an_end(kind: str) -> None:
    table = TABLES[kind]
    ended = {state for state, after in table.items() if not after}
    while more := {state for state, after in table.items() if after & ended} - ended:
        ended |= more
    assert ended == set(table)


def test_what_has_ended_stays_as_it_is() -> None:
    assert {"completed", "failed", "skipped", "cancelled", "superseded"} == TASK_ENDED
    assert {"completed", "failed", "cancelled"} == EXECUTION_ENDED
    for state in TASK_ENDED:
        assert not any(allowed("task", state, after) for after in TaskState)


def test_in_flight_is_what_has_begun_and_not_ended() -> None:
    assert set(TASK) - TASK_ENDED - {"waiting"} == TASK_IN_FLIGHT


def test_a_need_is_met_by_what_has_ended_well_or_was_left_out() -> None:
    assert {"completed", "skipped"} == NEED_MET


def test_an_unknown_state_is_never_allowed() -> None:
    assert not allowed("task", "nowhere", "queued")
    assert not allowed("task", "waiting", "active")
