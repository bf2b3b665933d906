"""The files under `.conductor/`: written from the database, for people and scripts to read.

They are projections: nothing ever reads them to decide anything, so one that is missing, old or
damaged is simply written again, and one that can't be written costs a warning.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from conductor_app import logs, masking
from conductor_app.bootstrap import Conductor
from conductor_app.domain.location import is_url
from conductor_app.domain.states import EXECUTION_ENDED
from conductor_app.engine import snapshot
from conductor_app.errors import ConductorError
from conductor_app.store.database import Transaction
from conductor_app.views import dashboard, errors_log, lessons, progress, state
from conductor_app.views.current import UNFINISHED, newest_of_each
from conductor_app.views.current import execution as find
from conductor_app.wholefile import write_whole
from workers.git.location import local

FOLDER = ".conductor"
STATE = "state.json"
DASHBOARD = "dashboard.md"
PROGRESS = "progress.md"
LESSONS = "lessons.json"
FILES = (STATE, PROGRESS, "errors.log", LESSONS, DASHBOARD)
# What a write that was killed may leave behind.
PARTS = ".*.part"
# For how long (ms) the files of an execution that has ended are looked after.
AFTERWARDS = 3_600_000


def refresh(conductor: Conductor) -> None:
    """Record the progress and write the files of every project where something goes on."""
    with conductor.read() as tx:
        ids = shown_executions(tx)
        changed = [id_ for id_ in ids if snapshot.due(tx, id_)]
    for id_ in changed:
        with conductor.transaction() as writing:
            snapshot.snapshot(writing, id_)
    for id_ in ids:
        write(conductor, id_)


def shown_executions(tx: Transaction) -> list[str]:
    """The execution that each project's files tell of: the current one, else the newest."""
    shown = {row.project_id: row for row in newest_of_each(tx, None)}
    shown |= {row.project_id: row for row in newest_of_each(tx, None, UNFINISHED)}
    learnt = lessons.decided_since(tx, tx.now - AFTERWARDS)
    return [
        row.id
        for row in shown.values()
        if row.status not in EXECUTION_ENDED
        or row.finished_at >= tx.now - AFTERWARDS
        or row.project_id in learnt
    ]


def write(conductor: Conductor, execution_id: str) -> bool:
    """Write the files that tell of an execution; False when that failed, which is logged."""
    with conductor.read() as tx:
        execution = find(tx, execution_id)
        try:
            _write(conductor, tx, execution)
        except (OSError, UnicodeError, ConductorError) as error:
            logs.warning("projection_failed", project=execution.project, error=str(error))
            return False
    return True


def rebuild(conductor: Conductor, execution_id: str) -> Path:
    """Write all of them, whatever is there; their folder.

    Raises NotFound, OSError, UnicodeError, and what git says of the repository.
    """
    with conductor.read() as tx:
        changed = snapshot.due(tx, execution_id)
    if changed:
        with conductor.transaction() as writing:
            snapshot.snapshot(writing, execution_id)
    with conductor.read() as tx:
        return _write(conductor, tx, find(tx, execution_id), anew=True)


def _write(
    conductor: Conductor, tx: Transaction, execution: Row[Any], *, anew: bool = False
) -> Path:
    folder = folder_of(execution, conductor.settings.home)
    default = conductor.settings.default_connector
    _put_all(folder, _texts(tx, execution, folder, default, anew=anew))
    return folder


def _put_all(folder: Path, texts: Mapping[str, str]) -> None:
    if folder.name == FOLDER and _missing(folder):
        hide(folder.parent)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_whole(folder / name, masking.words(text))


def folder_of(execution: Row[Any], home: Path) -> Path:
    """Where the files of the execution's project lie: beside the work if that is on this machine.

    A folder that is a link could lead anywhere, so it is not followed.
    """
    place = execution.location
    if place and not is_url(place) and (Path(place) / ".git").exists():
        folder = Path(place) / FOLDER
        if not folder.is_symlink():
            return folder
    return home / "projections" / str(execution.project_id)


def _texts(
    tx: Transaction, execution: Row[Any], folder: Path, default_connector: str, *, anew: bool
) -> dict[str, str]:
    """What is to be written: the dashboard while time passes, the rest when something happened."""
    last = state.last_event(tx, execution.id)
    fresh = not anew and _up_to_date(folder, execution.id, last)
    texts: dict[str, str] = {}
    # People decide lessons of the project at any time, also those of earlier executions.
    if not fresh or execution.project_id in lessons.decided_since(tx, tx.now - AFTERWARDS):
        texts = {LESSONS: lessons.text(tx, execution.project_id)}
    if not fresh:
        texts |= {
            "errors.log": errors_log.text(tx, execution.id),
            # Last: what it says is then true of the others.
            STATE: state.text(state.state(tx, execution.id, default_connector)),
        }
    if not fresh or execution.status not in EXECUTION_ENDED:
        shown = dashboard.dashboard(tx, execution.id, default_connector)
        texts = {
            PROGRESS: progress.text(tx, execution, default_connector),
            DASHBOARD: dashboard.markdown(shown),
            **texts,
        }
    return texts


def _missing(folder: Path) -> bool:
    return not all((folder / name).is_file() for name in FILES)


def _up_to_date(folder: Path, execution_id: str, last_event: int) -> bool:
    """Whether all files are there and the state is that of the newest event."""
    if _missing(folder):
        return False
    try:
        known = json.loads((folder / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return (
        isinstance(known, dict)
        and known.get("executionId") == execution_id
        and known.get("lastEvent") == last_event
    )


def hide(repository: Path) -> None:
    """List the files where git looks for what to ignore on this machine only."""
    shared, own = local(repository)
    top = (own.work_tree or repository).resolve()
    inside = (repository.resolve() / FOLDER).relative_to(top).as_posix()
    exclude = shared.git_dir / "info" / "exclude"
    # It is the user's, who may have written it in any encoding.
    known = exclude.read_text("utf-8", "surrogateescape") if exclude.exists() else ""
    wanted = [f"/{inside}/{name}" for name in (*FILES, PARTS)]
    missing = [line for line in wanted if line not in known.splitlines()]
    if missing:
        exclude.parent.mkdir(exist_ok=True)
        before = known if known.endswith("\n") or not known else f"{known}\n"
        write_whole(exclude, before + "".join(f"{line}\n" for line in missing))
