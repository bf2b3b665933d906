"""New generations: correction is a new row; what is terminal is never edited."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from conductor_app.domain.states import NEED_MET, TASK_ENDED, MilestoneState, TaskState
from conductor_app.engine import requeue
from conductor_app.ids import new_id
from conductor_app.store import decisions, jobs, needs, phases, records, tasks
from conductor_app.store.database import Transaction
from conductor_app.store.executions import Execution


def renew(
    tx: Transaction, execution: Execution, task: Row[Any], notes: Sequence[dict[str, Any]] = ()
) -> str:
    """Put a new, waiting generation in a task's place and count it everywhere; its id."""
    id_ = replace(tx, task, notes)
    needs.recount(tx, execution.id, [id_])
    if task.status in NEED_MET:
        tasks.count_open_in_phase(tx, execution.id, task.phase, 1)
        if task.milestone:
            tasks.count_open_in_milestone(tx, execution.id, task.milestone, 1)
        _take_back_dependents(tx, execution, task)
    # A milestone of an earlier phase was reached, whatever is mended now.
    if task.milestone and task.phase == execution.current_phase:
        for row in phases.milestones_of(tx, execution.id, task.phase):
            if row.key == task.milestone:
                reopen_milestone(tx, execution, row)
    return id_


def before(notes: Sequence[dict[str, Any]]) -> int:
    """How many attempts the recording of a task has before this generation: those that failed or
    were sent back. What failed for good is not recorded, so a retry adds nothing."""
    return max((note.get("before", 0) for note in notes), default=0)


def replace(tx: Transaction, task: Row[Any], notes: Sequence[dict[str, Any]] = ()) -> str:
    """The new row alone, with its needs copied and not yet counted."""
    id_ = new_id()
    tasks.change(tx, task.id, current=False, replaced_by=id_)
    kept = {
        name: getattr(task, name)
        for name in (
            "execution_id",
            "key",
            "phase",
            "agent",
            "title",
            "milestone",
            "priority",
            "position",
            "files",
        )
    }
    row = {
        **kept,
        "id": id_,
        "generation": task.generation + 1,
        "current": True,
        "status": TaskState.WAITING,
        "needs_left": 0,
        "notes": list(notes),
        "created_at": tx.now,
    }
    needed = [
        {"task_id": id_, "need_key": key, "execution_id": task.execution_id}
        for key in needs.of(tx, task.id)
    ]
    tasks.add(tx, [row], needed)
    tx.events.created(task.execution_id, "task", [id_], TaskState.WAITING)
    tx.events.record(task.execution_id, "task.replaced", key=task.key, old=task.id, new=id_)
    return id_


def supersede(tx: Transaction, task: Row[Any]) -> str:
    """The same for a task in any state: what is at work on it is stopped, its report refused."""
    jobs.cancel_of_task(tx, task.id)
    records.cancel_active_attempt(tx, task.id)
    decisions.withdraw(tx, task)
    if task.status not in TASK_ENDED:
        tasks.move(tx, task, TaskState.SUPERSEDED, finished_at=tx.now)
    return replace(tx, task)


def _take_back_dependents(tx: Transaction, execution: Execution, task: Row[Any]) -> None:
    """What waits for this task, or is only queued, waits again; what already runs goes on."""
    for row in needs.dependents(tx, execution.id, [task.key]):
        if row.status == TaskState.QUEUED:
            requeue.wait(tx, row.id)
    needs.shift(tx, execution.id, [task.key], 1)


def reopen_milestone(tx: Transaction, execution: Execution, row: Row[Any], **values: Any) -> None:
    """It is judged again; a check run that is on its way judges work that is being replaced."""
    if row.status == MilestoneState.PENDING:
        return
    running = jobs.open_of(tx, execution.id, "check")
    jobs.cancel(tx, [job.id for job in running if job.payload.get("milestone_id") == row.id])
    phases.move_milestone(tx, row, MilestoneState.PENDING, completed_at=None, **values)
