"""Tasks, attempts, milestones and checks: what may be sent."""

from typing import Literal

from pydantic import Field

from conductor_app.api.schemas.base import Id, Line, PageQuery, Query, Strict
from conductor_app.api.schemas.executions import PhaseNumber


class OfExecution(PageQuery):
    """Lists of an execution's parts; without one, those of the project's current or last."""

    project: Line | None = Field(None, description="Id, name, path or URL")
    execution: Id | None = None


class TaskPath(Query):
    task_id: Id


class TasksQuery(OfExecution):
    status: str | None = Field(None, description="One state or several, with commas between")
    phase: PhaseNumber | None = None
    agent: Line | None = None
    key: Line | None = Field(None, description="Such as 0/base-types")
    milestone: Line | None = Field(None, description="Its key, such as 0/health-checks")
    history: bool = Field(False, description="Earlier generations, too")
    sort: str = Field("plan", description="A minus before the name turns the order round")


class SkipTask(Strict):
    reason: Line = Field(description="Kept with the task")


class AttemptsQuery(PageQuery):
    pass


class FileQuery(Query):
    attempt: Id | None = Field(None, description="Unset: the newest attempt")
    offset: int = Field(0, ge=0, description="Bytes to leave out; pass `next_offset` to go on")
    limit: int = Field(65536, ge=4, le=1_000_000, description="Bytes at most")


class MilestonePath(Query):
    milestone_id: Id


class MilestonesQuery(OfExecution):
    phase: PhaseNumber | None = None
    status: str | None = None


class CheckPath(Query):
    check_id: Id


class ChecksQuery(OfExecution):
    phase: PhaseNumber | None = None
    role: Literal["task", "milestone", "exit", "test"] | None = None
    subject: Line | None = Field(None, description="The key of what was judged")
    verdict: Literal["passed", "failed", "skipped"] | None = None


class ValidateWork(Strict):
    execution: Id
    milestone: Line | None = Field(
        None, description="Its key; unset: the current phase's exit criteria and tests"
    )


class JobPath(Query):
    job_id: Id
