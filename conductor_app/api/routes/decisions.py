"""Decisions: list what agents ask, and answer it."""

from flask import Response

from conductor_app.api import meant
from conductor_app.api.access import reading
from conductor_app.api.answers import Answer, answered, paged
from conductor_app.api.mutations import change
from conductor_app.api.resources import resource
from conductor_app.api.schemas.base import OK
from conductor_app.api.schemas.decisions import AnswerDecision, DecisionPath, DecisionsQuery
from conductor_app.engine import decisions as engine
from conductor_app.store.database import Transaction
from conductor_app.views import decisions

api = resource("decisions", "What agents ask people", "/decisions")


@api.get("", responses=OK)
def list_decisions(query: DecisionsQuery) -> Response:
    """The questions of agents, the oldest first; a task that asked one waits for its answer."""
    with reading() as tx:
        page = decisions.listed(
            tx,
            project_id=meant.project_id(tx, query.project),
            execution_id=query.execution,
            task=query.task,
            status=query.status,
            limit=query.limit,
            cursor=query.cursor,
        )
    return paged("Decisions", page)


@api.get("/<decision_id>", responses=OK)
def read_decision(path: DecisionPath) -> Response:
    """One question with its options, and its answer when it has one."""
    with reading() as tx:
        return answered("Decision", decisions.one(tx, path.decision_id))


@api.post("/<decision_id>/answer", responses=OK)
def answer_decision(path: DecisionPath, body: AnswerDecision) -> Response:
    """Answer it once and for all: its task goes on with that."""

    def effect(tx: Transaction) -> Answer:
        engine.decide(tx, path.decision_id, body.answer)
        found = decisions.one(tx, path.decision_id)
        return Answer(f"Decided: {found['answer']}. Task {found['task']} goes on", found)

    return change(effect)
