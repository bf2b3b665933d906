"""Milestones and checks: list, read with their evidence, validate now; jobs that do it."""

from flask import Response

from conductor_app.api import meant
from conductor_app.api.access import reading
from conductor_app.api.answers import Answer, answered, paged
from conductor_app.api.mutations import change
from conductor_app.api.resources import resource
from conductor_app.api.schemas.base import ACCEPTED, OK, Nothing
from conductor_app.api.schemas.tasks import (
    CheckPath,
    ChecksQuery,
    JobPath,
    MilestonePath,
    MilestonesQuery,
    ValidateWork,
)
from conductor_app.engine import control
from conductor_app.store.database import Transaction
from conductor_app.views import found, lists

api = resource("milestones and checks", "Named results, and the evidence for them")


@api.get("/milestones", responses=OK)
def list_milestones(query: MilestonesQuery) -> Response:
    """The milestones of an execution in the order of its phases."""
    with reading() as tx:
        page = lists.milestones(
            tx,
            meant.last_execution(tx, query.project, query.execution).id,
            phase=query.phase,
            status=query.status and query.status.split(","),
            limit=query.limit,
            cursor=query.cursor,
        )
    return paged("Milestones", page)


@api.get("/milestones/<milestone_id>", responses=OK)
def read_milestone(path: MilestonePath) -> Response:
    """One milestone, with the results of its checks and their evidence."""
    with reading() as tx:
        return answered("Milestone", found.milestone(tx, path.milestone_id))


@api.post("/milestones/<milestone_id>/validate", responses=ACCEPTED)
def validate_milestone(path: MilestonePath, body: Nothing) -> Response:
    """Run its checks now; the job's result is at /jobs/JOB."""

    def validate(tx: Transaction) -> Answer:
        row = found.milestone_row(tx, path.milestone_id)
        return accepted(control.validate(tx, row.execution_id, row.key), f"Milestone {row.name}")

    return change(validate)


@api.get("/checks", responses=OK)
def list_checks(query: ChecksQuery) -> Response:
    """The results of checks, with their evidence, the newest first."""
    with reading() as tx:
        page = lists.checks(
            tx,
            meant.last_execution(tx, query.project, query.execution).id,
            role=query.role,
            subject=query.subject,
            verdict=query.verdict,
            phase=query.phase,
            limit=query.limit,
            cursor=query.cursor,
        )
    return paged("Checks", page)


@api.get("/checks/<check_id>", responses=OK)
def read_check(path: CheckPath) -> Response:
    """One result of a check, with its evidence."""
    with reading() as tx:
        return answered("Check", found.check(tx, path.check_id))


@api.post("/checks/validate", responses=ACCEPTED)
def validate_phase(body: ValidateWork) -> Response:
    """Run the current phase's exit criteria and tests now, or those of a milestone."""

    def validate(tx: Transaction) -> Answer:
        if body.milestone is not None:
            job_id = control.validate(tx, body.execution, body.milestone)
            return accepted(job_id, f"Milestone {body.milestone}")
        return accepted(control.test(tx, body.execution), "The current phase")

    return change(validate)


@api.get("/jobs/<job_id>", responses=OK)
def read_job(path: JobPath) -> Response:
    """The state of a job, and the results of the checks that it ran."""
    with reading() as tx:
        return answered("Job", found.job(tx, path.job_id))


def accepted(job_id: str, what: str) -> Answer:
    """The answer to what a worker does later."""
    return Answer(f"{what} is being validated; see /api/v1/jobs/{job_id}", {"job_id": job_id}, 202)
