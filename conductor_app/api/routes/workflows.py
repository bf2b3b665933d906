"""Workflows: those built in and those that executions were started with; validation."""

from dataclasses import asdict
from typing import Any

from flask import Response

from conductor_app.api.access import reading
from conductor_app.api.answers import answered, paged
from conductor_app.api.resources import resource
from conductor_app.api.schemas.base import OK
from conductor_app.api.schemas.workflows import (
    ValidateWorkflow,
    VersionPath,
    VersionsQuery,
    WorkflowPath,
)
from conductor_app.errors import InvalidWorkflow, NotFound
from conductor_app.store import workflows
from conductor_app.views import items, lists
from conductor_app.workflows import loader

api = resource("workflows", "Templates: phases, tasks, checks", "/workflows")


@api.get("", responses=OK)
def list_workflows() -> Response:
    """The names of all workflows, and the newest version of each."""
    builtins = [_builtin(name) for name in loader.builtin_names()]
    with reading() as tx:
        kept = [
            items.workflow(row)
            for name in workflows.names(tx)
            if name not in loader.builtin_names() and (row := workflows.newest(tx, name))
        ]
    return answered("Workflows", {"items": [*builtins, *kept], "next_cursor": None})


@api.get("/<name>", responses=OK)
def read_workflow(path: WorkflowPath) -> Response:
    """A workflow's newest version: its text, and what it says."""
    if path.name in loader.builtin_names():
        loaded = loader.load(path.name)
        text, model = loaded.text, loaded.workflow
        return answered("Workflow", {**_builtin(path.name), **_content(text, model)})
    with reading() as tx:
        row = workflows.newest(tx, path.name)
        if row is None:
            raise NotFound(f"There is no workflow `{path.name}`; /api/v1/workflows lists all.")
        model = workflows.of_version(tx, row.version)
    return answered("Workflow", {**items.workflow(row), **_content(row.text, model)})


@api.get("/<name>/versions", responses=OK)
def list_versions(path: WorkflowPath, query: VersionsQuery) -> Response:
    """The versions that executions were started with, the newest first."""
    with reading() as tx:
        page = lists.workflows(tx, name=path.name, limit=query.limit, cursor=query.cursor)
    return paged("Versions", page)


@api.get("/<name>/versions/<version>", responses=OK)
def read_version(path: VersionPath) -> Response:
    """One of these versions: its text, and what it says."""
    with reading() as tx:
        row = workflows.kept(tx, path.version)
        if row is None or row.name != path.name:
            raise NotFound(f"Workflow {path.name} has no version {path.version[:12]} here.")
        model = workflows.of_version(tx, row.version)
    return answered("Version", {**items.workflow(row), **_content(row.text, model)})


@api.post("/validate", responses=OK)
def validate_workflow(body: ValidateWorkflow) -> Response:
    """Everything that is wrong with a template, each with line and column; it is not kept."""
    try:
        problems = loader.parse(body.template, "template").warnings
        valid = True
    except InvalidWorkflow as error:
        problems, valid = error.details["problems"], False
    found = [asdict(problem) for problem in problems]
    message = "The template is valid" if valid else "The template is not valid"
    return answered(message, {"valid": valid, "problems": found})


def _builtin(name: str) -> dict[str, Any]:
    loaded = loader.load(name)
    return {"version": loaded.version, "name": name, "source": "built in", "created_at": None}


def _content(text: str, model: Any) -> dict[str, Any]:
    return {"text": text, "workflow": model.model_dump(mode="json", exclude_unset=True)}
