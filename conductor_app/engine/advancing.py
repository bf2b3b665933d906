"""Who moves an execution on from a phase that has passed: the engine by itself, or a person."""

from typing import Any

from sqlalchemy import Row

from conductor_app.domain.states import ExecutionState, PhaseState
from conductor_app.store.executions import Execution


def by_itself(execution: Row[Any] | Execution) -> bool:
    """Whether it goes on as checks pass, without a person's word."""
    return bool(execution.auto_advance) and execution.driver == "automatic"


def waits_for_a_person(execution: Row[Any] | Execution, phase: Row[Any]) -> bool:
    """Whether its current phase has passed and nothing but a person's word is missing."""
    return (
        execution.status == ExecutionState.RUNNING
        and execution.hold is None
        and phase.status == PhaseState.VALIDATING
        and phase.verdict == "passed"
        and not (by_itself(execution) or phase.advance_requested)
    )


def next_step(execution: Row[Any] | Execution, phase: Row[Any]) -> str | None:
    """What a person does now to move it on; None while nobody's word is missing."""
    if not waits_for_a_person(execution, phase):
        return None
    last = phase.number == execution.target_phase
    effect = "completes the execution" if last else "goes on"
    return f"Phase {phase.number} ({phase.name}) has passed; `conductor advance` {effect}."
