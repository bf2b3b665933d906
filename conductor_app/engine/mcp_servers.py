"""What people ask of a project's MCP servers: add one, remove one."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from conductor_app.domain.mcp import SECTION
from conductor_app.engine.projects import update
from conductor_app.errors import NotFound, Refused
from conductor_app.store import projects
from conductor_app.store.database import Transaction


def add(tx: Transaction, project_id: str, name: str, server: Mapping[str, Any]) -> Row[Any]:
    """The project with this server. Raises NotFound, InvalidInput, Refused."""
    project, servers = _known(tx, project_id)
    if name in servers:
        raise Refused(
            f"Project {project.name} has a server `{name}` already. Remove it first "
            f"(`conductor project mcp remove {name}`), or choose another name."
        )
    return update(tx, project_id, None, _with(project, {**servers, name: dict(server)}))


def remove(tx: Transaction, project_id: str, name: str) -> Row[Any]:
    """The project without this server. Raises NotFound."""
    project, servers = _known(tx, project_id)
    if name not in servers:
        has = f"It has {', '.join(sorted(servers))}." if servers else "It has none."
        raise NotFound(f"Project {project.name} has no server `{name}`. {has}")
    del servers[name]
    return update(tx, project_id, None, _with(project, servers))


def _known(tx: Transaction, project_id: str) -> tuple[Row[Any], dict[str, Any]]:
    """The project, which nobody else changes now, and its servers as they were written."""
    projects.lock(tx, project_id)
    project = projects.get(tx, project_id)
    return project, dict((project.settings or {}).get(SECTION) or {})


def _with(project: Row[Any], servers: Mapping[str, Any]) -> dict[str, Any]:
    others = {key: value for key, value in (project.settings or {}).items() if key != SECTION}
    return {**others, SECTION: servers} if servers else others
