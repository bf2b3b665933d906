"""Executions: what may be sent."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from conductor_app.api.schemas.base import Id, Line, PageQuery, Query, Strict, Text
from conductor_app.api.schemas.workflows import Template
from conductor_app.launch import DEFAULT_WORKFLOW, Order

PhaseNumber = Annotated[int, Field(ge=0, le=1000)]
Scalar = Text | int | float | bool | None


class ExecutionPath(Query):
    execution_id: Id


class ExecutionsQuery(PageQuery):
    project: Line | None = Field(None, description="Id, name, path or URL")
    status: str | None = Field(None, description="One state or several, with commas between")
    workflow: Line | None = None
    sort: str = Field("-created", description="A minus before the name turns the order round")


class EventsQuery(PageQuery):
    type: Line | None = Field(None, description="Such as task.completed")


class FormatQuery(Query):
    format: Literal["json", "markdown"] = Field("json", description="markdown: as one text")

    def formatted(self, told: Any, markdown: Callable[[Any], str]) -> Any:
        return {"markdown": markdown(told)} if self.format == "markdown" else told


class StartWork(Strict):
    """What to run, and how."""

    workflow: Line | None = Field(None, description=f"Unset: {DEFAULT_WORKFLOW}")
    template: Template | None = Field(None, description="Instead of a workflow's name")
    inputs: dict[str, Scalar] = Field(default_factory=dict)
    connector: Line | None = Field(None, description="Unset: the server's, else replay")
    target_phase: PhaseNumber | None = Field(
        None, description="The last phase to do; unset: the last, or the last that is recorded"
    )
    priority: Literal["low", "normal", "high", "critical"] | Annotated[int, Field(ge=1, le=100)] = (
        "normal"
    )
    auto_advance: bool | None = Field(None, description="Unset: as AUTO_ADVANCE says")
    replay_before: PhaseNumber = Field(0, description="Replay the phases before this one")

    @model_validator(mode="after")
    def _one_workflow(self) -> "StartWork":
        if self.workflow is not None and self.template is not None:
            raise ValueError("give `workflow` or `template`, not both")
        return self

    def order(self) -> Order:
        return Order(
            workflow=self.workflow or DEFAULT_WORKFLOW,
            template=self.template,
            inputs=self.inputs,
            connector=self.connector,
            priority=self.priority,
            auto_advance=self.auto_advance,
            target_phase=self.target_phase,
            replay_before=self.replay_before,
        )


class StartExecution(StartWork):
    project: Line = Field(description="Id, name, path or URL; a repository that is new is added")


class Pause(Strict):
    reason: Line = "A person paused it."


class Rollback(Strict):
    to: PhaseNumber | None = Field(None, description="Unset: the phase before the current one")


class Rerun(Strict):
    """A task, or a phase from its beginning."""

    task: Line | None = Field(None, description="The key of a task of the current phase: 1/api")
    phase: PhaseNumber | None = Field(None, description="The same as rolling back to it")

    @model_validator(mode="after")
    def _one_of_them(self) -> "Rerun":
        if (self.task is None) == (self.phase is None):
            raise ValueError("give `task` or `phase`, one of them")
        return self


class OrchestratorQuery(Query):
    project: Line | None = Field(None, description="Id, name, path or URL")
    execution: Id | None = Field(None, description="This one, instead of the project's current")


class ReadOrchestrator(OrchestratorQuery, FormatQuery):
    pass


class StartOrchestrator(StartWork):
    project: Line | None = Field(None, description="Unset: the only project")


class DeployPath(Query):
    agent: Line
