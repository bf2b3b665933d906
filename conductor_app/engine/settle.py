"""What follows now: the level-triggered step that moves an execution as far as its rows allow.

It runs in every transaction that changes something and again at every tick, so whatever a lost
message or a dead process left undone is found and done.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Row

from conductor_app.domain.states import (
    NEED_MET,
    ExecutionState,
    MilestoneState,
    PauseReason,
    PhaseState,
)
from conductor_app.domain.workflow import Check, RubricCheck, Workflow
from conductor_app.domain.workflow_plan import full_key
from conductor_app.engine import release, transition
from conductor_app.engine.advancing import by_itself
from conductor_app.queue import SYSTEM_QUEUE, agent_queue
from conductor_app.store import jobs, phases, records, tasks, workflows
from conductor_app.store.database import Transaction
from conductor_app.store.executions import Execution


def settle(tx: Transaction, execution: Execution, inside: Collection[str] = ()) -> list[str]:
    """Queue what is ready, judge what is done, advance; the queues to top up.

    `inside`: see `release.queue_ready`.
    """
    queues: list[str] = []
    if execution.reason == PauseReason.CANCELLING and not tasks.in_flight(tx, execution.id):
        execution.move(tx, ExecutionState.CANCELLED, reason=None, reason_detail=None)
    while execution.moving:
        number = execution.current_phase
        at_work = phases.at_work(tx, execution.id, number)
        for phase in at_work:
            queues += release.queue_ready(tx, execution, phase.number, inside)
        if any(phase.stuck_tasks for phase in at_work) and _blocked(tx, execution):
            break
        queues += _judge(tx, execution, at_work)
        if execution.current_phase == number:
            break
    return queues


def _blocked(tx: Transaction, execution: Execution) -> bool:
    stuck = tasks.stuck(tx, execution.id)
    if not stuck:
        return False
    names = ", ".join(f"{row.key} ({row.status})" for row in stuck[:5])
    block(
        tx,
        execution,
        f"{names}: nothing that needs it can go on. "
        f"Way out: `conductor retry {stuck[0].key}` or "
        f"`conductor skip {stuck[0].key} --reason WHY`.",
    )
    return True


def block(tx: Transaction, execution: Execution, detail: str) -> None:
    """Pause for a person, who is told the way out; one that is paused already stays as it is."""
    if execution.status == ExecutionState.RUNNING:
        execution.move(tx, ExecutionState.PAUSED, reason=PauseReason.BLOCKED, reason_detail=detail)


def block_unproven(tx: Transaction, execution: Execution, what: str) -> None:
    """The same for a milestone or phase whose checks fail."""
    block(
        tx,
        execution,
        f"{what}. Way out: see `conductor report`, mend the cause, then "
        "`conductor start` validates again; or `conductor rollback --to "
        f"{execution.current_phase}` does the phase again.",
    )


def _judge(tx: Transaction, execution: Execution, at_work: Sequence[Row[Any]]) -> list[str]:
    phase = at_work[-1]
    if phase.status == PhaseState.VALIDATING:
        return _leave(tx, execution)
    workflow = workflows.of_version(tx, execution.workflow_version)
    queues = _judge_milestones(tx, execution, workflow)
    if any(each.open_tasks > 0 for each in at_work) or not execution.moving:
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
        if row.status == MilestoneState.FAILED:
            block_unproven(tx, execution, f"Milestone {row.name} fails its checks")
        if row.status != MilestoneState.PENDING or row.open_tasks > 0:
            continue
        spec = workflow.milestone(row.key)
        if being_mended(tx, execution, (each.task for each in spec.checks)):
            continue
        if not spec.checks and not spec.function:
            phases.move_milestone(tx, row, MilestoneState.COMPLETED, completed_at=tx.now)
            continue
        phases.move_milestone(tx, row, MilestoneState.VALIDATING)
        payload = {"milestone": row.key, "milestone_id": row.id}
        queues.append(_have_judged(tx, execution, payload, spec.checks))
    return queues


def _have_judged(
    tx: Transaction, execution: Execution, payload: dict[str, Any], checks: Sequence[Check]
) -> str:
    """Queue a check run; the queue.

    One with a review is its agent's work: it waits on a model, and nothing of Conductor's own may
    wait behind that.
    """
    reviews = [each for each in checks if isinstance(each, RubricCheck)]
    queue = agent_queue(reviews[0].agent) if reviews else SYSTEM_QUEUE
    jobs.add_system(tx, "check", execution.id, payload, queue=queue)
    return queue


def being_mended(tx: Transaction, execution: Execution, named: Iterable[str | None]) -> bool:
    """Whether a task that checks of the current phase hold to account is being done (again)."""
    phase = execution.current_phase
    keys = {full_key(phase, each) for each in named if each}
    return any(
        row.status not in NEED_MET and row.phase <= phase
        for row in tasks.by_keys(tx, execution.id, keys)
    )


def _validate_phase(tx: Transaction, execution: Execution, workflow: Workflow) -> list[str]:
    phase = phases.current(tx, execution.id, execution.current_phase)
    assert phase is not None
    if phase.verdict == "failed":
        block_unproven(tx, execution, f"Phase {phase.number} fails its checks")
        return []
    phases.move(tx, phase, PhaseState.VALIDATING, verdict=None)
    spec = workflow.phase(phase.number)
    if spec.exit_criteria or spec.tests or spec.artifacts.required:
        payload = {"phase": phase.number, "phase_id": phase.id}
        checks = (*spec.exit_criteria, *spec.tests)
        return [_have_judged(tx, execution, payload, checks)]
    phases.change(tx, phase.id, verdict="passed")
    return _leave(tx, execution)


def _leave(tx: Transaction, execution: Execution) -> list[str]:
    """On to the next phase, when all four conditions hold and it is automatic or asked for."""
    phase = phases.current(tx, execution.id, execution.current_phase)
    assert phase is not None
    if phase.verdict != "passed" or not (by_itself(execution) or phase.advance_requested):
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
