"""What a request means: the execution it names, else the project's; ids by their beginning."""

from typing import Any

from sqlalchemy import Row

from conductor_app.engine import projects
from conductor_app.store import prefixes, tables
from conductor_app.store.database import Transaction
from conductor_app.views import current

BY_QUERY = "Name one with the query parameter `project`, or its id with `execution`."


def current_execution(tx: Transaction, project: str | None, execution: str | None) -> Row[Any]:
    """The one named, else the newest unfinished; raises Ambiguous, NotFound."""
    if execution is not None:
        return current.execution(tx, execution)
    return current.current_execution(tx, project_id(tx, project), BY_QUERY)


def last_execution(tx: Transaction, project: str | None, execution: str | None) -> Row[Any]:
    """The same for reading: when nothing is unfinished, what ended last."""
    if execution is not None:
        return current.execution(tx, execution)
    return current.last_execution(tx, project_id(tx, project), BY_QUERY)


def execution_id(tx: Transaction, execution: str | None) -> str | None:
    """The id of the one whose parts alone are listed; raises NotFound."""
    return None if execution is None else str(current.execution(tx, execution).id)


def decision_id(tx: Transaction, given: str) -> str:
    """The whole id of a decision of which the beginning may be given; raises Ambiguous."""
    return prefixes.whole_id(tx, tables.decisions, given)


def lesson_id(tx: Transaction, given: str) -> str:
    """The same of a lesson."""
    return prefixes.whole_id(tx, tables.lessons, given)


def project_id(tx: Transaction, project: str | None) -> str | None:
    """The id of the project with this id, name, path or URL."""
    return None if project is None else str(projects.find(tx, project).id)
