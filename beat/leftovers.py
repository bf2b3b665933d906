"""What killed workers left on this machine: worktrees, checkouts and locks that nobody uses."""

from collections.abc import Mapping

from sqlalchemy import select

from conductor_app import logs
from conductor_app.bootstrap import Conductor
from conductor_app.places import Places
from conductor_app.store.tables import attempts, executions, projects
from workers.git import checkouts
from workers.workspace import Repository


def remove(conductor: Conductor) -> None:
    """Remove what nobody uses any more; the work of attempts is kept on hidden refs first."""
    places = conductor.settings.places
    checkouts.prune(places.checkouts)
    for location, over in _over(conductor, _lying_in(places)).items():
        try:
            Repository.open(location, places.home).prune(over)
        except Exception as error:
            # The next tick tries again, and everything else goes on meanwhile.
            logs.warning("prune_failed", location=location, error=str(error))


def _lying_in(places: Places) -> set[str]:
    """The attempts that have a worktree or a lock here."""
    return {path.name.removesuffix(".lock") for path in places.worktrees.glob("*")}


def _over(conductor: Conductor, ids: set[str]) -> Mapping[str, set[str]]:
    """Those of these attempts that have ended, by the location of their repository."""
    if not ids:
        return {}
    statement = (
        select(attempts.c.id, projects.c.location)
        .join(executions, executions.c.id == attempts.c.execution_id)
        .join(projects, projects.c.id == executions.c.project_id)
        .where(attempts.c.id.in_(ids), attempts.c.status != "active")
    )
    found: dict[str, set[str]] = {}
    with conductor.read() as tx:
        for row in tx.all(statement):
            found.setdefault(row.location, set()).add(row.id)
    return found
