"""Projects: what may be sent."""

from typing import Any

from pydantic import Field

from conductor_app.api.schemas.base import Id, Line, PageQuery, Query, Strict


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
