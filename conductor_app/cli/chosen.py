"""Which execution a command is about: the one named, the current one, else the newest."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conductor_app.cli.project import project_of
from conductor_app.errors import NotFound

if TYPE_CHECKING:
    from sqlalchemy import Row

    from conductor_app.cli.invocation import Invocation
    from conductor_app.store.database import Transaction


def execution_option(function: Callable[..., None]) -> Callable[..., None]:
    option = click.option("--execution", metavar="ID", help="Another than the current execution.")
    return option(function)


def current_or_named(tx: "Transaction", invocation: "Invocation", named: str | None) -> "Row[Any]":
    """The execution that can still change. Raises NotFound, Ambiguous."""
    from conductor_app.views import current

    if named is not None:
        return current.execution(tx, named.upper())
    return current.current_execution(tx, _project_id(tx, invocation))


def to_be_shown(tx: "Transaction", invocation: "Invocation", named: str | None) -> "Row[Any]":
    """The same, or the newest of those that have ended. Raises NotFound, Ambiguous."""
    from conductor_app.views import current

    try:
        return current_or_named(tx, invocation, named)
    except NotFound:
        newest = None if named else _newest(tx, _project_id(tx, invocation))
        if newest is None:
            raise
        return current.execution(tx, newest)


def to_be_listed(
    tx: "Transaction", invocation: "Invocation", named: str | None
) -> tuple[str | None, str | None]:
    """Of which project, or of which execution, a list is; None is all of them. Raises NotFound."""
    from conductor_app.views import current

    if named is None:
        return _project_id(tx, invocation), None
    # An execution has its project, wherever the command is given.
    return None, str(current.execution(tx, named.upper()).id)


def _newest(tx: "Transaction", project_id: str | None) -> str | None:
    from sqlalchemy import select

    from conductor_app.store.tables import executions

    statement = select(executions.c.id).order_by(executions.c.id.desc()).limit(1)
    if project_id is not None:
        statement = statement.where(executions.c.project_id == project_id)
    newest: str | None = tx.value(statement)
    return newest


def _project_id(tx: "Transaction", invocation: "Invocation") -> str | None:
    project = project_of(tx, invocation.project, Path.cwd())
    return project.id if project else None
