"""Tasks: list, read, ask why one is not running, read what its attempts left."""

from dataclasses import asdict

from flask import Response

from conductor_app.api import artifacts, meant
from conductor_app.api.access import conductor, reading
from conductor_app.api.answers import answered, paged
from conductor_app.api.resources import resource
from conductor_app.api.schemas.base import OK
from conductor_app.api.schemas.tasks import AttemptsQuery, FileQuery, TaskPath, TasksQuery
from conductor_app.engine.explain import why
from conductor_app.views import found, lists

api = resource("tasks", "Agents' units of work", "/tasks")


@api.get("", responses=OK)
def list_tasks(query: TasksQuery) -> Response:
    """The tasks of an execution, in the order of its plan unless sorted otherwise."""
    with reading() as tx:
        page = lists.tasks(
            tx,
            meant.last_execution(tx, query.project, query.execution).id,
            key=query.key,
            status=query.status and query.status.split(","),
            phase=query.phase,
            agent=query.agent,
            milestone=query.milestone,
            history=query.history,
            sort=query.sort,
            limit=query.limit,
            cursor=query.cursor,
        )
    return paged("Tasks", page)


@api.get("/<task_id>", responses=OK)
def read_task(path: TaskPath) -> Response:
    """One task, what it needs, and what its next attempt is told."""
    with reading() as tx:
        return answered("Task", found.task(tx, path.task_id))


@api.get("/<task_id>/why", responses=OK)
def explain_task(path: TaskPath) -> Response:
    """Why the task is not running, in words, with the way out."""
    with reading() as tx:
        row = found.task_row(tx, path.task_id)
        reason = why(tx, row.execution_id, row.key)
    return answered(reason.sentence, {"task_id": row.id, "key": row.key, **asdict(reason)})


@api.get("/<task_id>/attempts", responses=OK)
def list_attempts(path: TaskPath, query: AttemptsQuery) -> Response:
    """The attempts at this task and at its earlier generations, the first one first."""
    with reading() as tx:
        row = found.task_row(tx, path.task_id)
        page = lists.attempts(
            tx, row.execution_id, task=row.key, limit=query.limit, cursor=query.cursor
        )
    return paged("Attempts", page)


@api.get("/<task_id>/log", responses=OK)
def read_log(path: TaskPath, query: FileQuery) -> Response:
    """A piece of an attempt's log; `next_offset` goes on where it ends, also while it grows."""
    return _piece(path.task_id, query, artifacts.LOG)


@api.get("/<task_id>/transcript", responses=OK)
def read_transcript(path: TaskPath, query: FileQuery) -> Response:
    """The same of its transcript: JSON Lines of turns and of what the tools answered."""
    return _piece(path.task_id, query, artifacts.TRANSCRIPT)


def _piece(task_id: str, query: FileQuery, name: str) -> Response:
    with reading() as tx:
        task = found.task_row(tx, task_id)
        attempt = found.attempt_row(tx, task.id, query.attempt)
    places = conductor().settings.places
    piece = artifacts.read_piece(
        places, task.execution_id, attempt.id, name, query.offset, query.limit
    )
    return answered(f"{name} of attempt {attempt.number}", piece)
