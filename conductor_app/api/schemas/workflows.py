"""Workflows and agents: what may be sent."""

from typing import Annotated

from pydantic import Field

from conductor_app.api.schemas.base import Id, Line, PageQuery, Query, Strict, Text

Template = Annotated[Text, Field(min_length=1, description="A workflow template in YAML")]


class WorkflowPath(Query):
    name: Line


class VersionPath(WorkflowPath):
    version: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class VersionsQuery(PageQuery):
    pass


class ValidateWorkflow(Strict):
    template: Template


class AgentPath(Query):
    agent: Line


class AgentsQuery(Query):
    execution: Id | None = Field(None, description="Those of its workflow; unset: all")
