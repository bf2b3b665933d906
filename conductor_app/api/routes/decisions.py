"""Decisions: list what agents ask, and answer it."""

from flask import Response

from conductor_app.api import meant
from conductor_app.api.access import reading
from conductor_app.api.answers import Answer, answered, paged
from conductor_app.api.mutations import change
from conductor_app.api.resources import resource
from conductor_app.api.schemas.base import OK
from conductor_app.api.schemas.decisions import AnswerDecision, DecisionPath, DecisionsQuery
from conductor_app.domain.states import ExecutionState, PauseReason
from conductor_app.engine import decisions as engine
from conductor_app.store.database import Transaction
from conductor_app.views import current, decisions

api = resource("decisions", "What agents ask people", "/decisions")


@api.get("", responses=OK)
def list_decisions(query: DecisionsQuery) -> Response:
    """The questions of agents, the oldest first; a task that asked one waits for its answer."""
    with reading() as tx:
        page = decisions.listed(
            tx,
            project_id=meant.project_id(tx, query.project),
            execution_id=meant.execution_id(tx, query.execution),
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
        return answered("Decision", decisions.one(tx, meant.decision_id(tx, path.decision_id)))


@api.post("/<decision_id>/answer", responses=OK)
def answer_decision(path: DecisionPath, body: AnswerDecision) -> Response:
    """Answer it once and for all: its task goes on with that."""

    def effect(tx: Transaction) -> Answer:
        id_ = meant.decision_id(tx, path.decision_id)
        engine.decide(tx, id_, body.answer)
        found = decisions.one(tx, id_)
        goes_on = f"Task {found['task']} goes on{_when(tx, found['execution_id'])}"
        return Answer(f"Decided: {found['answer']}. {goes_on}", found)

    return change(effect)


def _when(tx: Transaction, execution_id: str) -> str:
    """What the task waits for even so, where its execution is paused."""
    execution = current.execution(tx, execution_id)
    if execution.status != ExecutionState.PAUSED:
        return ""
    asked_for = execution.reason == PauseReason.PERSON
    way_out = "`conductor start`" if asked_for else "`conductor status` says why it is paused"
    return f" when the execution does: {way_out}"
