"""Which execution is meant when nobody names one."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, TextClause, func, select

from conductor_app.errors import Ambiguous, NotFound
from conductor_app.store.database import Transaction
from conductor_app.store.executions import OPEN
from conductor_app.store.tables import executions, projects

# Guided ones are among them: the commands of the current execution are how people move them on.
UNFINISHED = OPEN
# How people at a terminal say which one they mean.
BY_OPTION = "Name one with --project, or its id with --execution."


def execution(tx: Transaction, execution_id: str) -> Row[Any]:
    """The execution with its project (`project`, `location`); raises NotFound."""
    row = tx.first(_selected().where(executions.c.id == execution_id))
    if row is None:
        raise NotFound(
            f"There is no execution {execution_id}. `conductor status` shows the current one."
        )
    return row


def current_execution(
    tx: Transaction, project_id: str | None = None, way_out: str = BY_OPTION
) -> Row[Any]:
    """The newest unfinished execution of the project.

    Without a project there must be only one that has any: raises Ambiguous with the list
    (details `executions`) and how to name one, or NotFound.
    """
    return only(_some(unfinished(tx, project_id), "nothing is running"), way_out)


def unfinished(tx: Transaction, project_id: str | None = None) -> Sequence[Row[Any]]:
    """The newest unfinished execution of each project, or of the one that is named."""
    return newest_of_each(tx, project_id, UNFINISHED)


def last_execution(
    tx: Transaction, project_id: str | None = None, way_out: str = BY_OPTION
) -> Row[Any]:
    """The current execution; when there is none, the one that ended last. Raises as that does."""
    found = unfinished(tx, project_id) or newest_of_each(tx, project_id)
    return only(_some(found, "nothing was started yet"), way_out)


def _selected() -> Select[Any]:
    return select(
        executions, projects.c.name.label("project"), projects.c.location.label("location")
    ).join(projects, projects.c.id == executions.c.project_id)


def newest_of_each(
    tx: Transaction, project_id: str | None, *conditions: ColumnElement[bool] | TextClause
) -> Sequence[Row[Any]]:
    """The newest execution, of those meant, of each project or of the one that is named."""
    newest = select(func.max(executions.c.id)).where(*conditions).group_by(executions.c.project_id)
    if project_id is not None:
        newest = newest.where(executions.c.project_id == project_id)
    return tx.all(_selected().where(executions.c.id.in_(newest)).order_by(executions.c.id.desc()))


def _some(found: Sequence[Row[Any]], nothing: str) -> Sequence[Row[Any]]:
    if not found:
        raise NotFound(f"There is no such execution: {nothing}. Start one with `conductor run`.")
    return found


def only(found: Sequence[Row[Any]], way_out: str) -> Row[Any]:
    """The one of these that is meant; raises Ambiguous where there are several."""
    if len(found) > 1:
        names = "; ".join(f"{row.id} on {row.location} ({row.status})" for row in found)
        raise Ambiguous(
            f"Several projects have an execution: {names}. {way_out}",
            executions=[
                {
                    "id": row.id,
                    "project_id": row.project_id,
                    "project": row.project,
                    "workflow": row.workflow_name,
                    "status": row.status,
                }
                for row in found
            ],
        )
    return found[0]
