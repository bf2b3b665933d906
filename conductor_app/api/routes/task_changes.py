"""What people change about tasks: retry, skip, cancel."""

from collections.abc import Callable

from flask import Response
from sqlalchemy import Row

from conductor_app.api.answers import Answer
from conductor_app.api.mutations import change
from conductor_app.api.resources import resource
from conductor_app.api.schemas.base import OK, Nothing
from conductor_app.api.schemas.tasks import SkipTask, TaskPath
from conductor_app.engine import task_control
from conductor_app.errors import Refused
from conductor_app.store.database import Transaction
from conductor_app.store.tasks import current
from conductor_app.views import found

api = resource("task changes", "Retry, skip, cancel", "/tasks/<task_id>")

Task = Row[tuple[object, ...]]


@api.post("/retry", responses=OK)
def retry_task(path: TaskPath, body: Nothing) -> Response:
    """Try a failed or cancelled task anew, told what went wrong; now, where it waits."""
    return _change(
        path.task_id,
        "is tried again now",
        lambda tx, task: task_control.retry(tx, task.execution_id, task.key),
    )


@api.post("/skip", responses=OK)
def skip_task(path: TaskPath, body: SkipTask) -> Response:
    """Go on without it: what needs it takes its need as met."""
    return _change(
        path.task_id,
        "is skipped",
        lambda tx, task: task_control.skip(tx, task.execution_id, task.key, body.reason),
    )


@api.post("/cancel", responses=OK)
def cancel_task(path: TaskPath, body: Nothing) -> Response:
    """Stop it; what needs it can't go on, so the execution pauses."""
    return _change(
        path.task_id,
        "is cancelled",
        lambda tx, task: task_control.cancel(tx, task.execution_id, task.key),
    )


def _change(task_id: str, outcome: str, act: Callable[[Transaction, Task], object]) -> Response:
    def effect(tx: Transaction) -> Answer:
        task = found.task_row(tx, task_id)
        if not task.current:
            raise Refused(
                f"Task {task.key} was replaced by {task.replaced_by or 'a newer generation'}; "
                "act on that one."
            )
        act(tx, task)
        newest = current(tx, task.execution_id, task.key)
        return Answer(f"Task {task.key} {outcome}", found.task(tx, (newest or task).id))

    return change(effect)
