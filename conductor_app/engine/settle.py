"""What follows now: the level-triggered step that moves an execution as far as its rows allow.

It runs in every transaction that changes something and again at every tick, so whatever a lost
message or a dead process left undone is found and done.
"""

from collections.abc import Collection

from conductor_app.domain.states import ExecutionState, MilestoneState, PauseReason, PhaseState
from conductor_app.domain.workflow import Workflow
from conductor_app.engine import dispatch, release, transition
from conductor_app.queue import SYSTEM_QUEUE
from conductor_app.store import jobs, phases, records, tasks, workflows
from conductor_app.store.database import Transaction
from conductor_app.store.executions import Execution


def settle(tx: Transaction, execution: Execution, inside: Collection[str] = ()) -> list[str]:
    """Queue what is ready, judge what is done, advance; the queues to top up.

    `inside`: see `release.queue_ready`.
    """
    queues: list[str] = []
    while execution.moving:
        queues += release.queue_ready(tx, execution, inside)
        number = execution.current_phase
        if _blocked(tx, execution):
            break
        queues += _judge(tx, execution)
        if execution.current_phase == number:
            break
    return queues


def settle_and_send(tx: Transaction, execution: Execution, *queues: str) -> None:
    dispatch.top_up(tx, [*settle(tx, execution), *queues])


def _blocked(tx: Transaction, execution: Execution) -> bool:
    stuck = tasks.stuck(tx, execution.id)
    if not stuck:
        return False
    names = ", ".join(f"{row.key} ({row.status})" for row in stuck[:5])
    block(
        tx,
        execution,
        f"{names}: nothing that needs it can go on. "
        f"Way out: `conductor retry {stuck[0].key}` or `conductor skip {stuck[0].key}`.",
    )
    return True


def block(tx: Transaction, execution: Execution, detail: str) -> None:
    """Pause for a person, who is told the way out."""
    execution.move(tx, ExecutionState.PAUSED, reason=PauseReason.BLOCKED, reason_detail=detail)


def _judge(tx: Transaction, execution: Execution) -> list[str]:
    phase = phases.current(tx, execution.id, execution.current_phase)
    if phase is None:
        return []
    if phase.status == PhaseState.VALIDATING:
        return _leave(tx, execution)
    workflow = workflows.of_version(tx, execution.workflow_version)
    queues = _judge_milestones(tx, execution, workflow)
    if phase.open_tasks > 0:
        return queues
    waiting = [
        row
        for row in phases.milestones_of(tx, execution.id, phase.number)
        if row.status != MilestoneState.COMPLETED
    ]
    if waiting:
        return queues
    return queues + _validate_phase(tx, execution, workflow)


def _judge_milestones(tx: Transaction, execution: Execution, workflow: Workflow) -> list[str]:
    """Every milestone whose tasks are done: complete it, or have its checks run."""
    queues: list[str] = []
    if not workflow.phase(execution.current_phase).milestones:
        return queues
    for row in phases.milestones_of(tx, execution.id, execution.current_phase):
        if row.status != MilestoneState.PENDING or row.open_tasks > 0:
            continue
        spec = workflow.milestone(row.key)
        if not spec.checks and not spec.function:
            phases.move_milestone(tx, row, MilestoneState.COMPLETED, completed_at=tx.now)
            continue
        phases.move_milestone(tx, row, MilestoneState.VALIDATING)
        jobs.add_system(tx, "check", execution.id, {"milestone": row.key, "milestone_id": row.id})
        queues.append(SYSTEM_QUEUE)
    return queues


def _validate_phase(tx: Transaction, execution: Execution, workflow: Workflow) -> list[str]:
    phase = phases.current(tx, execution.id, execution.current_phase)
    assert phase is not None
    if phase.verdict == "failed":
        # Judged and found wanting: a person, or a task opened again, comes first.
        return []
    phases.move(tx, phase, PhaseState.VALIDATING, verdict=None)
    spec = workflow.phase(phase.number)
    if spec.exit_criteria or spec.tests:
        jobs.add_system(tx, "check", execution.id, {"phase": phase.number, "phase_id": phase.id})
        return [SYSTEM_QUEUE]
    phases.change(tx, phase.id, verdict="passed")
    return _leave(tx, execution)


def _leave(tx: Transaction, execution: Execution) -> list[str]:
    """On to the next phase, when all four conditions hold and it is automatic or asked for."""
    phase = phases.current(tx, execution.id, execution.current_phase)
    assert phase is not None
    automatic = execution.auto_advance and execution.driver == "automatic"
    if phase.verdict != "passed" or not (automatic or phase.advance_requested):
        return []
    critical = records.critical_errors(tx, execution.id)
    if critical:
        block(
            tx,
            execution,
            f"A critical error blocks the phase: {critical[0]} "
            "Way out: mend it, then `conductor start`.",
        )
        return []
    return transition.leave(tx, execution, phase)
