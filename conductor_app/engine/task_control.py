"""What people ask of a task: retry it, skip it, cancel it."""

from typing import Any

from sqlalchemy import Row

from conductor_app.domain.states import ExecutionState, PauseReason, TaskState
from conductor_app.engine import dispatch, generations
from conductor_app.engine.attempt_ends import done_task
from conductor_app.engine.complete import met
from conductor_app.engine.control import unfinished
from conductor_app.engine.settle import settle
from conductor_app.errors import NotFound, Refused
from conductor_app.store import decisions, jobs, records, tasks
from conductor_app.store.database import Transaction
from conductor_app.store.executions import Execution

RETRYABLE = (TaskState.FAILED, TaskState.CANCELLED)


def retry(tx: Transaction, execution_id: str, key: str) -> str:
    """Give a failed or cancelled task a new generation, told what went wrong; its id.

    One that waits for its next try has it now, and so has what Conductor itself waits with: a
    person who asks for it has mended something.
    """
    execution, task = _found(tx, execution_id, key)
    if task.status not in RETRYABLE:
        if not jobs.hurry(tx, execution.id, task.id):
            raise Refused(
                f"Task {key} is {task.status}; what is retried has failed, was cancelled, or "
                "waits for its next try."
            )
        dispatch.top_up(tx, [each.queue for each in jobs.open_of(tx, execution.id)])
        return str(task.id)
    id_ = generations.renew(tx, execution, task, task.notes)
    go_on(tx, execution)
    return id_


def skip(tx: Transaction, execution_id: str, key: str, reason: str) -> None:
    """Go on without this task: what needs it takes its need as met."""
    execution, task = _found(tx, execution_id, key)
    if task.status in (TaskState.COMPLETED, TaskState.SKIPPED):
        raise Refused(f"Task {key} is {task.status} already.")
    _refuse_while_integrating(task)
    if task.status in RETRYABLE:
        generations.renew(tx, execution, task, task.notes)
        renewed = tasks.current(tx, execution.id, key)
        assert renewed is not None
        task = renewed
    _stop(tx, task)
    tasks.move(tx, task, TaskState.SKIPPED, finished_at=tx.now, summary=reason)
    met(tx, execution, [done_task(task)])
    go_on(tx, execution)


def cancel(tx: Transaction, execution_id: str, key: str) -> None:
    """Stop a task; what needs it can't go on, so the execution pauses."""
    execution, task = _found(tx, execution_id, key)
    if task.status in (TaskState.COMPLETED, TaskState.SKIPPED, *RETRYABLE):
        raise Refused(f"Task {key} is {task.status} already.")
    _refuse_while_integrating(task)
    _stop(tx, task)
    tasks.move(tx, task, TaskState.CANCELLED, finished_at=tx.now)
    dispatch.top_up(tx, settle(tx, execution))


def _found(tx: Transaction, execution_id: str, key: str) -> tuple[Execution, Row[Any]]:
    execution = unfinished(tx, execution_id)
    task = tasks.current(tx, execution_id, key)
    if task is None:
        raise NotFound(
            f"There is no task {key} in execution {execution_id}; see `conductor tasks`."
        )
    return execution, task


def _refuse_while_integrating(task: Row[Any]) -> None:
    if task.status == TaskState.INTEGRATING:
        raise Refused(f"Task {task.key} is being integrated right now; ask again in a moment.")


def _stop(tx: Transaction, task: Row[Any]) -> None:
    """End the task's open job: its worker's report will be refused, its agent is stopped."""
    jobs.cancel_of_task(tx, task.id)
    records.cancel_active_attempt(tx, task.id)
    decisions.withdraw(tx, task)


def go_on(tx: Transaction, execution: Execution, *queues: str) -> None:
    """An execution that was blocked runs again when nothing blocks it any more."""
    blocked = execution.status == ExecutionState.PAUSED and execution.reason == PauseReason.BLOCKED
    if blocked and not tasks.stuck(tx, execution.id):
        records.resolve_errors(tx, execution.id)
        execution.move(tx, ExecutionState.RUNNING, reason=None, reason_detail=None)
    dispatch.top_up(tx, [*queues, *settle(tx, execution)])
