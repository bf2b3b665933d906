"""Signals: list what agents say needs action."""

from flask import Response

from conductor_app.api import meant
from conductor_app.api.access import reading
from conductor_app.api.answers import paged
from conductor_app.api.resources import resource
from conductor_app.api.schemas.base import OK
from conductor_app.api.schemas.lessons import SignalsQuery
from conductor_app.views import signals

api = resource("signals", "What agents say needs action", "/signals")


@api.get("", responses=OK)
def list_signals(query: SignalsQuery) -> Response:
    """What agents noticed and their tasks do not settle, the newest first."""
    with reading() as tx:
        page = signals.listed(
            tx,
            project_id=meant.project_id(tx, query.project),
            execution_id=meant.execution_id(tx, query.execution),
            task=query.task,
            type_=query.type,
            limit=query.limit,
            cursor=query.cursor,
        )
    return paged("Signals", page)
