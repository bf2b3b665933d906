"""Projects: what may be sent."""

from typing import Annotated, Any

from pydantic import Field

from conductor_app.api.schemas.base import Id, Line, PageQuery, Query, Strict, Text

Words = Annotated[list[Annotated[Text, Field(min_length=1)]], Field(min_length=1)]


class ProjectPath(Query):
    project_id: Id


class ProjectsQuery(PageQuery):
    archived: bool = Field(False, description="Those that were archived, too")


class CreateProject(Strict):
    location: Line = Field(description="The whole path of a git repository, or its URL")
    name: Line | None = Field(None, description="Unset: the location's last part")
    settings: dict[str, Any] | None = None


class UpdateProject(Strict):
    name: Line | None = None
    settings: dict[str, Any] | None = Field(None, description="Replaces the settings")


class AddMcpServer(Strict):
    name: Line = Field(description="Small letters, digits and single hyphens between them")
    run: Words = Field(description="The words of its command, which begins in the worktree")
    env: dict[str, Text] = Field({}, description="Variables; it gets no others of the worker's")
    network: list[Line] = Field([], description="Hosts (`name` or `name:port`) that it may reach")
    readable: list[Line] = Field([], description="Directories besides the worktree it may read")
    timeout: float | None = Field(None, description="Seconds for its start, and for each call")


class McpServerPath(ProjectPath):
    name: Line
