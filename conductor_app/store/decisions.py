"""Decisions: what agents ask and people answer."""

from typing import Any

from sqlalchemy import Row, func, insert, select, update

from conductor_app.domain.outcome import Question
from conductor_app.domain.states import DecisionState
from conductor_app.ids import new_id
from conductor_app.store.database import Transaction
from conductor_app.store.tables import PENDING_DECISION, decisions


def get(tx: Transaction, decision_id: str) -> Row[Any] | None:
    return tx.first(select(decisions).where(decisions.c.id == decision_id))


def asked(tx: Transaction, task_id: str, round_: int, question: Question) -> Row[Any] | None:
    """The decision that was raised by this very call of the task's round."""
    return tx.first(
        select(decisions).where(
            decisions.c.task_id == task_id,
            decisions.c.round == round_,
            decisions.c.call_id == question.call_id,
            decisions.c.question == question.text,
        )
    )


def pending(tx: Transaction, task_id: str) -> Row[Any] | None:
    """What a task waits for, if it waits for an answer."""
    return tx.first(
        select(decisions).where(decisions.c.task_id == task_id, PENDING_DECISION).limit(1)
    )


def count_pending(tx: Transaction, execution_id: str) -> int:
    """How many answers an execution waits for."""
    of_execution = (decisions.c.execution_id == execution_id, PENDING_DECISION)
    return int(tx.value(select(func.count()).select_from(decisions).where(*of_execution)))


def add(tx: Transaction, task: Row[Any], attempt_id: str, round_: int, question: Question) -> str:
    id_ = new_id()
    row = {
        "id": id_,
        "execution_id": task.execution_id,
        "task_id": task.id,
        "attempt_id": attempt_id,
        "round": round_,
        "call_id": question.call_id,
        "question": question.text,
        "options": list(question.options),
        "status": DecisionState.PENDING,
        "created_at": tx.now,
    }
    tx.run(insert(decisions), row)
    tx.events.record(
        task.execution_id,
        "decision.raised",
        decision=id_,
        task=task.key,
        agent=task.agent,
        question=question.text,
        options=list(question.options),
    )
    return id_


def withdraw(tx: Transaction, task: Row[Any]) -> None:
    """pending -> withdrawn: the task ends, so nobody waits for the answer any more."""
    asked = pending(tx, task.id)
    if asked is None:
        return
    tx.run(
        update(decisions)
        .where(decisions.c.id == asked.id, PENDING_DECISION)
        .values(status=DecisionState.WITHDRAWN)
    )
    tx.events.record(task.execution_id, "decision.withdrawn", decision=asked.id, task=task.key)


def answer(tx: Transaction, decision_id: str, answer_: str) -> bool:
    """pending -> answered; False when it is not pending any more."""
    return bool(
        tx.run(
            update(decisions)
            .where(decisions.c.id == decision_id, PENDING_DECISION)
            .values(status=DecisionState.ANSWERED, answer=answer_, answered_at=tx.now)
        )
    )
