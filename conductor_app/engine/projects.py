"""What people ask of projects: take one on, find the one that they mean, change it, archive it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from conductor_app.domain import mcp
from conductor_app.domain.location import is_url, name_of
from conductor_app.domain.spelling import closest
from conductor_app.engine.budget_opening import caps_of_project
from conductor_app.errors import Ambiguous, InvalidInput, NotFound, Refused
from conductor_app.store import executions, projects
from conductor_app.store.database import Transaction

# What the settings of a project may say: what it may spend in a day, and its MCP servers.
SETTINGS = ("budget", mcp.SECTION)


class NotARepository(InvalidInput):
    """The directory is not a git repository."""

    code = "not_a_repository"


def create(
    tx: Transaction, location: str, name: str | None = None, settings: dict[str, Any] | None = None
) -> Row[Any]:
    """Take a path or URL on; one that was archived under this name comes back.

    Raises Refused when it is a project already, or the name is taken.
    """
    place = settled_location(location)
    _check(settings or {}, {})
    projects.lock_all(tx)
    known = projects.at(tx, place)
    if known is not None:
        raise Refused(f"{place} is project {known.name} already.", project_id=known.id)
    chosen = name or name_of(place)
    if name is not None:
        _refuse_taken(tx, chosen)
    before = projects.archived(tx, place, chosen)
    if before is None:
        return projects.add(tx, chosen, place, settings)
    projects.change(tx, before.id, archived_at=None, settings=settings or before.settings)
    return projects.get(tx, before.id)


def find(tx: Transaction, wanted: str) -> Row[Any]:
    """The project with this id, name, path or URL; raises NotFound, Ambiguous."""
    row = projects.by_id(tx, wanted)
    if row is not None:
        return row
    named = projects.named(tx, wanted)
    if len(named) > 1:
        places = ", ".join(f"{each.id} ({each.location})" for each in named)
        raise Ambiguous(f"Several projects are called {wanted}: {places}. Give the id of one.")
    if named:
        return named[0]
    located = projects.at(tx, settled_location(wanted)) if _is_place(wanted) else None
    if located is None:
        raise _unknown(tx, wanted)
    return located


def find_or_create(tx: Transaction, wanted: str) -> Row[Any]:
    """The same, to work on: a path or URL that is none yet becomes a project. Raises Refused."""
    try:
        found = find(tx, wanted)
    except NotFound:
        if not _is_place(wanted):
            raise
        # Somebody else may be taking it on this moment.
        projects.lock_all(tx)
        return projects.at(tx, settled_location(wanted)) or create(tx, wanted)
    if found.archived_at is not None:
        raise Refused(
            f"Project {found.name} is archived. Name it by its path or URL, and it comes back."
        )
    return found


def only(tx: Transaction) -> Row[Any]:
    """The project that is meant when none is named: there must be just one."""
    known = projects.names(tx)
    if len(known) > 1:
        raise Ambiguous(f"There are several projects ({', '.join(sorted(known))}); name one.")
    if not known:
        raise NotFound("There is no project yet. Name one by the path of its repository.")
    return projects.named(tx, known[0])[0]


def update(
    tx: Transaction, project_id: str, name: str | None, settings: dict[str, Any] | None
) -> Row[Any]:
    """Change the name or the settings; None leaves as it is."""
    row = projects.get(tx, project_id)
    changes: dict[str, Any] = {}
    if name is not None and name != row.name:
        _refuse_taken(tx, name)
        changes["name"] = name
    if settings is not None:
        _check(settings, row.settings or {})
        changes["settings"] = settings
    if changes:
        projects.change(tx, project_id, **changes)
    return projects.get(tx, project_id)


def _check(settings: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """Raises InvalidInput. What was there before may be older than its rule."""
    for name in settings:
        if name not in SETTINGS and name not in before:
            near = closest(name, SETTINGS)
            meant = f"Did you mean `{near}`?" if near else f"There are {' and '.join(SETTINGS)}."
            raise InvalidInput(f"A project has no setting `{name}`. {meant}")
    caps_of_project(settings)
    known = before.get(mcp.SECTION) or {}
    for name, server in mcp.servers_of(settings).items():
        if settings[mcp.SECTION][name] != known.get(name):
            mcp.require_hosts(name, server)


def archive(tx: Transaction, project_id: str) -> Row[Any]:
    """Put a project away: it is listed no more, and its history stays."""
    row = projects.get(tx, project_id)
    unfinished = executions.open_of(tx, project_id)
    if unfinished:
        raise Refused(
            f"Project {row.name} has an unfinished execution ({unfinished[0]}). "
            "Cancel it, or let it end, before the project is archived."
        )
    if row.archived_at is None:
        projects.change(tx, project_id, archived_at=tx.now)
    return projects.get(tx, project_id)


def settled_location(location: str) -> str:
    """A URL as it is; a path as that of the repository that holds it. Raises NotARepository."""
    if is_url(location):
        return location
    try:
        return str(_top_of(location))
    except (OSError, RuntimeError) as failure:
        # A link to itself, a name that is too long, the home of nobody, a directory that is closed.
        reason = getattr(failure, "strerror", None) or failure
        raise NotARepository(
            f"{location} can't be looked at: {reason}. Give the path of a git repository that "
            "Conductor may read."
        ) from failure


def _top_of(location: str) -> Path:
    path = Path(location).expanduser()
    if not path.is_absolute():
        raise InvalidInput(
            f"{location} is a relative path, and the server's directory is not yours. "
            "Give the whole path."
        )
    path = path.resolve()
    if not path.is_dir():
        raise NotARepository(
            f"There is no directory {path}. Give the path of a git repository that is there."
        )
    for candidate in (path, *path.parents):
        if _looks_like_repository(candidate):
            return candidate
    raise NotARepository(
        f"{path} is not a git repository. Make it one (git init, then commit what is there), or "
        "give another directory."
    )


def _looks_like_repository(path: Path) -> bool:
    """By its files: nothing in this package runs git, whose own word is the worker's business."""
    bare = all((path / name).exists() for name in ("HEAD", "objects", "refs"))
    return bare or (path / ".git").exists()


def _is_place(wanted: str) -> bool:
    return "/" in wanted or ":" in wanted


def _refuse_taken(tx: Transaction, name: str) -> None:
    taken = projects.named(tx, name)
    if taken:
        raise Refused(f"Another project is called {name} ({taken[0].id}); choose another name.")


def _unknown(tx: Transaction, wanted: str) -> NotFound:
    near = closest(wanted, projects.names(tx))
    meant = f" Did you mean `{near}`?" if near else ""
    return NotFound(
        f"There is no project `{wanted}`.{meant} Give the id, name, path or URL of one."
    )
