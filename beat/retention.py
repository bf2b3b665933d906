"""What is forgotten in time: kept answers, silent workers, environments, hidden refs, backups.

What tells of the work itself stays: rows, events, artifacts, branches and tags.
"""

import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from sqlalchemy import select

from conductor_app import logs
from conductor_app.bootstrap import Conductor
from conductor_app.errors import ConductorError
from conductor_app.ids import new_id
from conductor_app.store import idempotency, leases, workers
from conductor_app.store.tables import attempts, executions, projects
from workers import environment
from workers.workspace import Repository

# In milliseconds.
HOUR = 3_600_000
DAY = 24 * HOUR
LEASE = "retention"
# Whoever repeats a request does so within minutes; a day outlasts any outage of a client.
ANSWERS_KEPT = DAY
# A worker tells of itself every few seconds; people look at what a night's crash has left.
WORKERS_KEPT = DAY
# Setups take minutes, and a project that rests for a month can afford them once more.
ENVIRONMENTS_KEPT = 30 * DAY
# Unfinished work and states before a rollback are looked at while people remember them.
WORK_KEPT = 30 * DAY
# For so long a repository that can't be reached is tried again.
TRIED_FOR = 30 * DAY


def forget(conductor: Conductor) -> bool:
    """Once an hour, whoever asks first; False when it was done within the last hour."""
    with conductor.transaction() as tx:
        if leases.take(tx, LEASE, new_id(), HOUR, gap=HOUR) is None:
            return False
        now = tx.now
        idempotency.forget(tx, now - ANSWERS_KEPT)
        workers.forget(tx, now - WORKERS_KEPT)
    places = conductor.settings.places
    before = now - ENVIRONMENTS_KEPT
    _patiently("environments", partial(environment.forget, places.environments, before / 1000))
    _patiently("backups", partial(_forget_backups, conductor, now - WORK_KEPT))
    for location, ids in _work_of_the_past(conductor, now).items():
        _patiently(location, partial(_forget_refs, conductor, location, ids))
    return True


def _patiently(what: str, act: Callable[[], object]) -> None:
    """What can't be forgotten now is forgotten an hour later."""
    try:
        act()
    except (OSError, ConductorError) as error:
        logs.warning("retention_failed", what=what, error=str(error))


def _forget_backups(conductor: Conductor, before: int) -> None:
    """The states kept before transitions; what `conductor db backup` wrote belongs to people."""
    folders = {path.name: path for path in _folders(conductor.settings.places.backups)}
    statement = select(executions.c.id).where(
        executions.c.id.in_(list(folders)), executions.c.finished_at < before
    )
    with conductor.read() as tx:
        old = [row.id for row in tx.all(statement)]
    for id_ in old:
        shutil.rmtree(folders[id_])


def _folders(place: Path) -> list[Path]:
    return [path for path in place.glob("*") if path.is_dir() and not path.is_symlink()]


def _work_of_the_past(conductor: Conductor, now: int) -> Mapping[str, set[str]]:
    """By the location of their repository, the attempts of executions that ended long ago."""
    ended = executions.c.finished_at
    statement = (
        select(attempts.c.id, projects.c.location)
        .join(executions, executions.c.id == attempts.c.execution_id)
        .join(projects, projects.c.id == executions.c.project_id)
        .where(
            executions.c.uses_git,
            ended.between(now - WORK_KEPT - TRIED_FOR, now - WORK_KEPT),
        )
    )
    found: dict[str, set[str]] = {}
    with conductor.read() as tx:
        for row in tx.all(statement):
            found.setdefault(row.location, set()).add(row.id)
    return found


def _forget_refs(conductor: Conductor, location: str, attempt_ids: set[str]) -> None:
    Repository.open(location, conductor.settings.home).forget(attempt_ids)
