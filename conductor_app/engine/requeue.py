"""Back to the queue: a task that is to be done once more, as soon as it has all it needs."""

from typing import Any

from sqlalchemy import Row

from conductor_app.domain.states import TaskState
from conductor_app.store import jobs, tasks
from conductor_app.store.database import Transaction


def back(tx: Transaction, task: Row[Any], **values: Any) -> None:
    """To queued; its queued job is there already.

    While it was at work something that it needs may have been opened again: then it waits for that
    with its job parked, as it would have done had it still been queued.
    """
    tasks.move(tx, task, TaskState.QUEUED, **values)
    if task.needs_left:
        wait(tx, task.id)


def wait(tx: Transaction, task_id: str) -> None:
    """From queued to waiting, with its job parked."""
    jobs.park(tx, task_id)
    task = tasks.get(tx, task_id)
    assert task is not None
    tasks.move(tx, task, TaskState.WAITING)
