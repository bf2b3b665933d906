"""Rerun: a task and all that builds on it are done again; what is independent of them stays."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from conductor_app.domain import graph
from conductor_app.domain.states import NEED_MET, MilestoneState, PhaseState, TaskState
from conductor_app.engine import generations
from conductor_app.engine.control import unfinished
from conductor_app.engine.task_control import go_on
from conductor_app.errors import NotFound, Refused
from conductor_app.queue import SYSTEM_QUEUE
from conductor_app.store import jobs, needs, phases, tasks
from conductor_app.store.database import Transaction
from conductor_app.store.executions import Execution


def rerun(tx: Transaction, execution_id: str, key: str) -> list[str]:
    """Do a task of the current phase again, and what needs it; their keys, in the plan's order.

    Their commits are taken back first, by a job that holds everything else (rule 9). A blocked
    execution goes on with it when nothing else blocks it. Raises NotFound, Refused.
    """
    execution = unfinished(tx, execution_id)
    task = tasks.current(tx, execution.id, key)
    if task is None:
        raise NotFound(
            f"There is no task {key} in execution {execution.id}; see `conductor tasks`."
        )
    _refuse_other_times(execution, task)
    touched = {key} | graph.downstream(needs.by_key(tx, execution.id), [key])
    again = [row for row in _at_work_on(tx, execution, touched) if _is_renewed(row, key)]
    _refuse_while_integrating(again)
    _renew(tx, execution, again)
    waiting = [row.id for row in tasks.by_keys(tx, execution.id, touched) if _waits(row)]
    needs.recount(tx, execution.id, waiting)
    _back_to_work(tx, execution, {row.milestone for row in again})
    keys = [row.key for row in again]
    tx.events.record(execution.id, "execution.rerun", task=key, tasks=keys)
    if tasks.any_commit(tx, execution.id, keys):
        job_id = jobs.add_system(tx, "revert", execution.id, {"task": key, "tasks": keys})
        execution.change(tx, hold=job_id)
    go_on(tx, execution, SYSTEM_QUEUE)
    return keys


def _refuse_other_times(execution: Execution, task: Row[Any]) -> None:
    current = execution.current_phase
    if task.phase < current:
        raise Refused(
            f"Task {task.key} belongs to phase {task.phase}, which was left. Do that phase again "
            f"with `conductor rollback --to {task.phase}`."
        )
    if task.phase > current:
        raise Refused(
            f"Task {task.key} belongs to phase {task.phase}, which has not begun: there is nothing "
            "to do again yet."
        )
    if execution.hold is not None:
        raise Refused(
            "A checkpoint is being taken, or commits are being taken back; ask again in a moment."
        )


def _at_work_on(tx: Transaction, execution: Execution, keys: set[str]) -> Sequence[Row[Any]]:
    rows = tasks.all_current(tx, execution.id, execution.current_phase)
    return [row for row in rows if row.key in keys]


def _is_renewed(row: Row[Any], asked: str) -> bool:
    """What only waits has done nothing yet; what a person skipped stays skipped."""
    return row.key == asked or row.status not in (TaskState.WAITING, TaskState.SKIPPED)


def _waits(row: Row[Any]) -> bool:
    return bool(row.status == TaskState.WAITING)


def _refuse_while_integrating(rows: Sequence[Row[Any]]) -> None:
    for row in rows:
        if row.status == TaskState.INTEGRATING:
            raise Refused(f"Task {row.key} is being integrated right now; ask again in a moment.")


def _renew(tx: Transaction, execution: Execution, rows: Sequence[Row[Any]]) -> None:
    for row in rows:
        generations.supersede(tx, row)
    met = [row for row in rows if row.status in NEED_MET]
    tasks.count_open_in_phase(tx, execution.id, execution.current_phase, len(met))
    for milestone, count in Counter(row.milestone for row in met if row.milestone).items():
        tasks.count_open_in_milestone(tx, execution.id, milestone, count)


def _back_to_work(tx: Transaction, execution: Execution, touched: set[str | None]) -> None:
    """The phase and its touched milestones are to be judged anew, and so is what is being judged.

    A person who wants something done again decides afterwards once more about the next phase.
    """
    for row in phases.milestones_of(tx, execution.id, execution.current_phase):
        if row.key in touched or row.status == MilestoneState.VALIDATING:
            generations.reopen_milestone(tx, execution, row, rounds=0)
    phase = phases.current(tx, execution.id, execution.current_phase)
    assert phase is not None
    if phase.status == PhaseState.VALIDATING:
        running = jobs.open_of(tx, execution.id, "check")
        jobs.cancel(tx, [job.id for job in running if job.payload.get("phase_id") == phase.id])
        phases.move(tx, phase, PhaseState.IN_PROGRESS)
    phases.change(tx, phase.id, verdict=None, rounds=0, advance_requested=False)
