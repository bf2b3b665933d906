"""Rolling back, forward: new generations wait while a job gives the branch its old tree."""

from typing import Any

from sqlalchemy import Row

from conductor_app.domain.states import (
    NEED_MET,
    ExecutionState,
    MilestoneState,
    PauseReason,
    PhaseState,
)
from conductor_app.engine import dispatch, generations
from conductor_app.engine.control import unfinished
from conductor_app.engine.settle import settle
from conductor_app.engine.start import milestone_row, phase_row
from conductor_app.engine.system_ends import release_hold
from conductor_app.errors import Refused
from conductor_app.queue import SYSTEM_QUEUE
from conductor_app.store import jobs, needs, phases, records, tasks
from conductor_app.store.database import Transaction
from conductor_app.store.executions import Execution


def rollback(tx: Transaction, execution_id: str, to: int | None = None) -> int:
    """Do again from the beginning of phase `to` (default: the one before the current); its number.

    A blocked execution goes on, because rolling back is a way out; one that is paused for another
    reason stays paused. Fences, usage and events never go back. Raises Refused.
    """
    execution = unfinished(tx, execution_id)
    current = execution.current_phase
    target = current - 1 if to is None else to
    if not 0 <= target <= current:
        raise Refused(
            f"The execution is in phase {current}: it can be rolled back to the beginning of phase "
            f"{'0' if current == 0 else f'0 to {current}'}. "
            "Name one with `conductor rollback --to PHASE`."
        )
    checkpoint = phases.checkpoint_before(tx, execution.id, target)
    if checkpoint is None:
        raise Refused(f"There is no checkpoint of the beginning of phase {target} yet.")
    for job in jobs.open_of(tx, execution.id):
        jobs.cancel(tx, [job.id])
    _renew_tasks(tx, execution, target, current, frozenset(checkpoint.task_ids))
    for number in range(target, current + 1):
        _renew_phase(tx, execution, number)
    tx.events.record(execution.id, "execution.rolled_back", to=target, checkpoint=checkpoint.id)
    execution.change(tx, current_phase=target, hold=None)
    if execution.reason == PauseReason.BLOCKED:
        records.resolve_errors(tx, execution.id)
        execution.move(tx, ExecutionState.RUNNING, reason=None, reason_detail=None)
    _move_branch(tx, execution, checkpoint)
    return target


def _move_branch(tx: Transaction, execution: Execution, checkpoint: Row[Any]) -> None:
    if checkpoint.commit is None:
        release_hold(tx, execution)
        dispatch.top_up(tx, settle(tx, execution))
        return
    payload = {"commit": checkpoint.commit, "tag": checkpoint.tag, "to": checkpoint.phase}
    execution.change(tx, hold=jobs.add_system(tx, "rollback", execution.id, payload))
    dispatch.top_up(tx, [SYSTEM_QUEUE])


def _renew_tasks(
    tx: Transaction, execution: Execution, first: int, last: int, kept: frozenset[str]
) -> None:
    """Those of the phases, and what was mended of earlier ones since the checkpoint (`kept`)."""
    renewed = []
    for task in tasks.all_current(tx, execution.id):
        if task.phase > last or (task.phase < first and task.id in kept):
            continue
        renewed.append(generations.supersede(tx, task))
        if task.phase < first and task.status in NEED_MET:
            tasks.count_open_in_phase(tx, execution.id, task.phase, 1)
            if task.milestone:
                tasks.count_open_in_milestone(tx, execution.id, task.milestone, 1)
    later = [row.id for row in tasks.all_current(tx, execution.id) if row.phase > last]
    needs.recount(tx, execution.id, [*renewed, *later])


def _renew_phase(tx: Transaction, execution: Execution, number: int) -> None:
    old = phases.current(tx, execution.id, number)
    assert old is not None
    phases.move(tx, old, PhaseState.ROLLED_BACK, current=False)
    row = phase_row(execution.id, number, old.name, old.generation + 1, old.total_tasks)
    phases.add(tx, [row], [])
    tx.events.created(execution.id, "phase", [row["id"]], PhaseState.PENDING)
    counts: dict[str, int] = {}
    for task in tasks.all_current(tx, execution.id, number):
        if task.milestone:
            counts[task.milestone] = counts.get(task.milestone, 0) + 1
    for each in phases.milestones_of(tx, execution.id, number):
        phases.move_milestone(tx, each, MilestoneState.SUPERSEDED, current=False)
        new = milestone_row(
            execution.id, number, each.key, each.name, each.generation + 1, counts.get(each.key, 0)
        )
        phases.add(tx, [], [new])
        tx.events.created(execution.id, "milestone", [new["id"]], MilestoneState.PENDING)
