"""Executions: start, list, read, and move them along or back."""

from typing import Any

from flask import Response
from sqlalchemy import Row

from conductor_app.api import meant, starting
from conductor_app.api.access import conductor, connector, reading
from conductor_app.api.answers import Answer, answered, paged
from conductor_app.api.mutations import change
from conductor_app.api.resources import resource
from conductor_app.api.schemas.base import ACCEPTED, CREATED, OK, Nothing
from conductor_app.api.schemas.executions import (
    ExecutionPath,
    ExecutionsQuery,
    Pause,
    Rerun,
    Rollback,
    StartExecution,
)
from conductor_app.domain.states import ExecutionState, PauseReason
from conductor_app.engine import control, projects
from conductor_app.engine.rerun import rerun
from conductor_app.engine.rollback import rollback
from conductor_app.store.database import Transaction
from conductor_app.views import current, lists
from conductor_app.views.status import status

api = resource("executions", "Runs of workflows", "/executions")


@api.get("", responses=OK)
def list_executions(query: ExecutionsQuery) -> Response:
    """Executions, the newest first unless sorted otherwise."""
    with reading() as tx:
        page = lists.executions(
            tx,
            project_id=meant.project_id(tx, query.project),
            status=query.status and query.status.split(","),
            workflow=query.workflow,
            sort=query.sort,
            limit=query.limit,
            cursor=query.cursor,
        )
    return paged("Executions", page)


@api.post("", responses=CREATED)
def start_execution(body: StartExecution) -> Response:
    """Start a workflow on a project; the answer says which connector does the work."""

    def start(tx: Transaction) -> Answer:
        project = projects.find_or_create(tx, body.project)
        settings = conductor().settings
        message, data = starting.start_execution(tx, project.id, body.order(), settings)
        return Answer(message, data, 201)

    response = change(start)
    starting.consume_queues(conductor())
    return response


@api.get("/<execution_id>", responses=OK)
def read_execution(path: ExecutionPath) -> Response:
    """One execution, with its progress as `progress`."""
    with reading() as tx:
        data = starting.shown(tx, path.execution_id, conductor().settings)
        return answered(
            "Execution", {**data, "progress": status(tx, path.execution_id, connector())}
        )


@api.post("/<execution_id>/pause", responses=OK)
def pause_execution(path: ExecutionPath, body: Pause) -> Response:
    """Nothing new begins; what runs goes on to its end."""

    def pause(tx: Transaction) -> Answer:
        control.pause(tx, path.execution_id, body.reason)
        return _now(tx, path.execution_id, "The execution is paused")

    return change(pause)


@api.post("/<execution_id>/resume", responses=OK)
def resume_execution(path: ExecutionPath, body: Nothing) -> Response:
    """Go on; what was judged and found wanting is judged again."""

    def resume(tx: Transaction) -> Answer:
        control.resume(tx, path.execution_id)
        return _now(tx, path.execution_id, "The execution goes on")

    return change(resume)


@api.post("/<execution_id>/cancel", responses=OK)
def cancel_execution(path: ExecutionPath, body: Nothing) -> Response:
    """End it: what waits is cancelled, what runs is stopped."""

    def cancel(tx: Transaction) -> Answer:
        control.cancel(tx, path.execution_id)
        return _now(tx, path.execution_id, "The execution is cancelled")

    return change(cancel)


@api.post("/<execution_id>/advance", responses=OK)
def advance_execution(path: ExecutionPath, body: Nothing) -> Response:
    """Ask for the next phase; refused while something of this one is missing."""

    def advance(tx: Transaction) -> Answer:
        return _now(tx, path.execution_id, control.advance(tx, path.execution_id))

    return change(advance)


@api.post("/<execution_id>/rollback", responses={**OK, **ACCEPTED})
def roll_back_execution(path: ExecutionPath, body: Rollback) -> Response:
    """Do again from the beginning of a phase; 202 with the job that moves the branch."""
    return change(lambda tx: rolled_back(tx, path.execution_id, body.to))


def rolled_back(tx: Transaction, execution_id: str, to: int | None) -> Answer:
    """Roll back; with a repository the branch is moved by a job, so that is not the end of it."""
    before = current.execution(tx, execution_id).status
    phase = rollback(tx, execution_id, to)
    message = f"The execution is rolled back to the beginning of phase {phase}"
    return _moving_branch(tx, execution_id, before, message, {"phase": phase})


@api.post("/<execution_id>/rerun", responses={**OK, **ACCEPTED})
def rerun_execution(path: ExecutionPath, body: Rerun) -> Response:
    """Do a task again with all that needs it, or a phase; what is independent of it stays."""

    def again(tx: Transaction) -> Answer:
        if body.task is None:
            return rolled_back(tx, path.execution_id, body.phase)
        before = current.execution(tx, path.execution_id).status
        tasks = rerun(tx, path.execution_id, body.task)
        dependents = len(tasks) - 1
        needing = f" and {dependents} that need it" if dependents else ""
        message = f"Task {body.task}{needing} will be done again"
        return _moving_branch(tx, path.execution_id, before, message, {"tasks": tasks})

    return change(again)


def _moving_branch(
    tx: Transaction, execution_id: str, before: str, message: str, told: dict[str, Any]
) -> Answer:
    """The answer also says what became of a pause."""
    now = current.execution(tx, execution_id)
    if before == ExecutionState.PAUSED:
        message += {
            ExecutionState.PAUSED: f"; it stays paused, {_way_on(now)}",
            ExecutionState.RUNNING: "; it was blocked and goes on",
        }[now.status]
    data = {"execution_id": execution_id, **told, "status": now.status, "job_id": now.hold}
    return Answer(message, data, 202 if now.hold else 200)


def _way_on(paused: Row[Any]) -> str:
    """What another task blocks goes on with that one's way out only."""
    if paused.reason == PauseReason.BLOCKED and paused.reason_detail:
        return f"as before: {paused.reason_detail.rstrip('.')}"
    return "`conductor start` lets it go on"


def _now(tx: Transaction, execution_id: str, message: str) -> Answer:
    return Answer(message, starting.shown(tx, execution_id, conductor().settings))
