"""How a run gets its execution: a new one through the API, or an unfinished one that goes on."""

import fcntl
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from conductor_app.cli.client import Api
from conductor_app.cli.project import project_of
from conductor_app.cli.run_watch import last_event
from conductor_app.domain.states import ExecutionState
from conductor_app.errors import NotFound, Refused
from conductor_app.launch import Order
from conductor_app.places import Places
from conductor_app.store import projects
from conductor_app.store.database import Transaction
from conductor_app.views import current, lists

# How to say which execution is to go on.
BY_PROJECT = "Name one with --project."


class RunUnderWay(Refused):
    """The project has an unfinished execution already."""

    code = "run_under_way"


@dataclass(frozen=True)
class Begun:
    """An execution to be watched, and what the API had to say of its start.

    `seen` is its last event that is no news any more.
    """

    execution_id: str
    seen: int = 0
    note: str | None = None


def begin(api: Api, location: str, order: Order) -> Begun:
    """Start the order on the repository. Raises ApiRefused, Unreachable."""
    given = asdict(order)
    # The API takes one of the two, and chooses what is left out.
    del given["workflow" if order.template is not None else "template"]
    body = {name: value for name, value in given.items() if value is not None}
    told = api.post("executions", {"project": location, **body}).data
    return Begun(told["id"], note=told["note"])


def unfinished(tx: Transaction, location: str | None, start: Path) -> Begun:
    """The newest unfinished execution of the repository (None: of the project around `start`).

    Where `start` lies in no project there must be only one that has any. Raises NotFound,
    Ambiguous.
    """
    project = projects.at(tx, location) if location else project_of(tx, None, start)
    place = project.location if project else location
    unknown = location is not None and project is None
    found = [] if unknown else current.unfinished(tx, project.id if project else None)
    if not found:
        where = f" on {place}" if place else ""
        # Where the stack goes on, what was paused may have ended meanwhile.
        ended = current.newest_of_each(tx, project.id) if project else ()
        last = "".join(f": the last, {each.id}, is {each.status}" for each in ended)
        raise NotFound(
            f"There is no unfinished execution{where}{last}. Start one with `conductor run`."
        )
    id_ = current.only(found, BY_PROJECT).id
    return Begun(id_, last_event(tx, id_))


def resume(api: Api, tx: Transaction, left: Begun) -> Begun:
    """Let an execution go on that may do so already. Raises ApiRefused, Unreachable."""
    if current.execution(tx, left.execution_id).status == ExecutionState.PAUSED:
        api.post(f"executions/{left.execution_id}/resume")
    return left


@contextmanager
def one_at_a_time(home: Path) -> Iterator[None]:
    """Of two runs typed at once the second looks when the first has begun, and finds it."""
    with (Places(home).run / "begin.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def require_free(tx: Transaction, location: str, *, stack_goes_on: bool) -> None:
    """Refuse a second run on a project that has an unfinished one. Raises RunUnderWay."""
    started = "" if stack_goes_on else "`conductor up`, then "
    for execution in unfinished_of(tx, location):
        raise RunUnderWay(
            f"Execution {execution.id} ({execution.workflow_name}) is {execution.status} on "
            f"{location}, and two would get in each other's way. Go on with it: `conductor run "
            f"--resume --project {shlex.quote(location)}`; or end it: {started}"
            f"`conductor stop --cancel --execution {execution.id}`.",
            execution=execution.id,
        )


def unfinished_of(tx: Transaction, location: str) -> Sequence[Row[Any]]:
    """The unfinished executions of a repository, the newest first."""
    project = projects.at(tx, location)
    if project is None:
        return []
    open_states = [ExecutionState.PENDING, ExecutionState.RUNNING, ExecutionState.PAUSED]
    page = lists.executions(tx, project_id=project.id, status=[str(each) for each in open_states])
    return [current.execution(tx, item["id"]) for item in page.items]
