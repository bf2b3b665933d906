"""From one phase to the next: a checkpoint first, then the phase ends and the next one begins."""

from typing import Any

from sqlalchemy import Row

from conductor_app.domain.states import ExecutionState, PhaseState
from conductor_app.queue import SYSTEM_QUEUE
from conductor_app.store import jobs, phases, records, tasks, workflows
from conductor_app.store.database import Transaction
from conductor_app.store.executions import Execution

# How the template's events of a phase's two moments end.
START, END = ".start", ".end"


def enter_first(tx: Transaction, execution: Execution) -> list[str]:
    """Begin the execution; with a repository its branch and first checkpoint are made before."""
    execution.move(tx, ExecutionState.RUNNING, started_at=tx.now)
    return _checkpoint(tx, execution, leaving=None, entering=execution.current_phase)


def leave(tx: Transaction, execution: Execution, phase: Row[Any]) -> list[str]:
    return _checkpoint(tx, execution, leaving=phase.number, entering=phase.number + 1)


def _checkpoint(
    tx: Transaction, execution: Execution, leaving: int | None, entering: int
) -> list[str]:
    workflow = workflows.of_version(tx, execution.workflow_version)
    hooks = [
        *(workflow.phase(leaving).hooks.on_end if leaving is not None else ()),
        *(workflow.phase(entering).hooks.on_start if entering <= execution.target_phase else ()),
    ]
    if not execution.uses_git and not hooks:
        return passed(tx, execution, entering, commit=None, tag="")
    job_id = jobs.add_system(
        tx, "checkpoint", execution.id, {"leaving": leaving, "entering": entering}
    )
    execution.change(tx, hold=job_id)
    return [SYSTEM_QUEUE]


def passed(
    tx: Transaction, execution: Execution, entering: int, commit: str | None, tag: str
) -> list[str]:
    """The checkpoint before `entering` is taken: end the phase before it, begin it or end it all.

    What the new phase can start with is then the business of `settle`.
    """
    current = tasks.all_current_ids(tx, execution.id)
    records.add_checkpoint(tx, execution.id, entering, tag, commit, current)
    changes: dict[str, Any] = {"hold": None}
    if commit:
        changes["tip"] = commit
        changes["base_commit"] = execution.base_commit or commit
    execution.change(tx, **changes)
    before = phases.current(tx, execution.id, entering - 1) if entering else None
    if before is not None and before.status == PhaseState.VALIDATING:
        phases.move(tx, before, PhaseState.COMPLETED, completed_at=tx.now)
        _emit(tx, execution, before.number, END)
    if entering > execution.target_phase:
        _complete(tx, execution)
        return []
    phase = phases.current(tx, execution.id, entering)
    assert phase is not None
    phases.move(tx, phase, PhaseState.IN_PROGRESS, started_at=tx.now)
    execution.change(tx, current_phase=entering)
    _emit(tx, execution, entering, START)
    return []


def _emit(tx: Transaction, execution: Execution, number: int, moment: str) -> None:
    """The events that the template names for this moment: `execute.start`, say."""
    spec = workflows.of_version(tx, execution.workflow_version).phase(number)
    for name in spec.events:
        if name.endswith(moment):
            tx.events.record(execution.id, f"orchestration.phase.{name}", phase=number)


def _complete(tx: Transaction, execution: Execution) -> None:
    """All is done, also when it was paused while the last checkpoint was taken."""
    if execution.status == ExecutionState.PAUSED:
        execution.move(tx, ExecutionState.RUNNING, reason=None, reason_detail=None)
    # Checks that somebody asked for meanwhile.
    jobs.cancel(tx, [job.id for job in jobs.open_of(tx, execution.id)])
    execution.move(tx, ExecutionState.COMPLETED)
