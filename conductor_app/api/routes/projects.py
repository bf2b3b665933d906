"""Projects: take one on, list, read, change, archive."""

from flask import Response

from conductor_app.api.access import reading
from conductor_app.api.answers import Answer, answered, paged
from conductor_app.api.mutations import change
from conductor_app.api.resources import resource
from conductor_app.api.schemas.base import CREATED, OK
from conductor_app.api.schemas.projects import (
    AddMcpServer,
    CreateProject,
    McpServerPath,
    ProjectPath,
    ProjectsQuery,
    UpdateProject,
)
from conductor_app.engine import mcp_servers, projects
from conductor_app.store import projects as stored
from conductor_app.store.database import Transaction
from conductor_app.views import items, lists

api = resource("projects", "Git repositories under Conductor's care", "/projects")


@api.get("", responses=OK)
def list_projects(query: ProjectsQuery) -> Response:
    """The projects, oldest first."""
    with reading() as tx:
        page = lists.projects(tx, archived=query.archived, limit=query.limit, cursor=query.cursor)
    return paged("Projects", page)


@api.post("", responses=CREATED)
def create_project(body: CreateProject) -> Response:
    """Take a repository on."""

    def create(tx: Transaction) -> Answer:
        row = projects.create(tx, body.location, body.name, body.settings)
        return Answer(f"Project {row.name} was added", items.project(row), 201)

    return change(create)


@api.get("/<project_id>", responses=OK)
def read_project(path: ProjectPath) -> Response:
    """One project."""
    with reading() as tx:
        return answered("Project", items.project(stored.get(tx, path.project_id)))


@api.patch("/<project_id>", responses=OK)
def update_project(path: ProjectPath, body: UpdateProject) -> Response:
    """Change the name or the settings; what is left out stays."""

    def update(tx: Transaction) -> Answer:
        row = projects.update(tx, path.project_id, body.name, body.settings)
        return Answer(f"Project {row.name} was changed", items.project(row))

    return change(update)


@api.delete("/<project_id>", responses=OK)
def archive_project(path: ProjectPath) -> Response:
    """Archive it: it is listed no more, its history stays; the repository is not touched."""

    def archive(tx: Transaction) -> Answer:
        row = projects.archive(tx, path.project_id)
        return Answer(f"Project {row.name} was archived", items.project(row))

    return change(archive)


@api.post("/<project_id>/mcp", responses=CREATED)
def add_mcp_server(path: ProjectPath, body: AddMcpServer) -> Response:
    """Let its agents use the tools of an MCP server, where their workflows name it."""

    def add(tx: Transaction) -> Answer:
        server = body.model_dump(exclude={"name"}, exclude_defaults=True)
        row = mcp_servers.add(tx, path.project_id, body.name, server)
        return Answer(f"Server {body.name} was added to {row.name}", items.project(row), 201)

    return change(add)


@api.delete("/<project_id>/mcp/<name>", responses=OK)
def remove_mcp_server(path: McpServerPath) -> Response:
    """Take the server from the project's settings; attempts that run keep theirs."""

    def remove(tx: Transaction) -> Answer:
        row = mcp_servers.remove(tx, path.project_id, path.name)
        return Answer(f"Server {path.name} was removed from {row.name}", items.project(row))

    return change(remove)
