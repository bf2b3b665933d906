"""Executions: start, list, read, and move them along or back."""

from flask import Response

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
    Rollback,
    StartExecution,
)
from conductor_app.engine import control, projects
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
    phase = rollback(tx, execution_id, to)
    job_id = current.execution(tx, execution_id).hold
    return Answer(
        f"The execution is rolled back to the beginning of phase {phase}",
        {"execution_id": execution_id, "phase": phase, "job_id": job_id},
        202 if job_id else 200,
    )


def _now(tx: Transaction, execution_id: str, message: str) -> Answer:
    return Answer(message, starting.shown(tx, execution_id, conductor().settings))
