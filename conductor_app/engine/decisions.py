"""Decisions: an agent asks, its task waits without a worker, a person answers, the task goes on."""

from typing import Any

from sqlalchemy import Row

from conductor_app.domain.outcome import Question
from conductor_app.domain.states import TASK_ENDED, DecisionState
from conductor_app.engine import attempt_ends, dispatch, requeue
from conductor_app.engine.settle import settle
from conductor_app.errors import InvalidInput, NotFound, Refused
from conductor_app.store import decisions, executions, jobs, tasks
from conductor_app.store.database import Transaction
from conductor_app.store.executions import Execution

# The kind of note that tells a task's next attempts what was decided.
NOTE = "DECISION"


def ask(
    tx: Transaction,
    execution: Execution,
    job: Row[Any],
    task: Row[Any],
    attempt_id: str,
    question: Question,
) -> list[str]:
    """active -> waiting, until somebody answers; queued where this was answered already."""
    jobs.requeue(tx, job)
    asked = decisions.asked(tx, task.id, task.failures + 1, question)
    if asked is not None and asked.status == DecisionState.ANSWERED:
        requeue.back(tx, task)
        return [str(job.queue)]
    if asked is None:
        decisions.add(tx, task, attempt_id, task.failures + 1, question)
        tasks.hold_back(tx, task.id, +1)
    held = tasks.get(tx, task.id)
    assert held is not None
    requeue.back(tx, held)
    # It takes no room any more, where tasks at a time are limited.
    return settle(tx, execution)


def answered(tx: Transaction, task_id: str, question: Question) -> str | None:
    """What was decided; None while nothing is, and when it was never asked."""
    task = tasks.get(tx, task_id)
    if task is None:
        return None
    asked = decisions.asked(tx, task.id, task.failures + 1, question)
    return asked.answer if asked is not None else None


def decide(tx: Transaction, decision_id: str, answer: str) -> None:
    """Answer it, and let its task go on. Raises NotFound, InvalidInput, Refused."""
    found = decisions.get(tx, decision_id)
    if found is None:
        raise NotFound(f"There is no decision {decision_id}; see `conductor decisions`.")
    execution = executions.lock(tx, found.execution_id)
    task = tasks.get(tx, found.task_id)
    assert execution is not None and task is not None
    chosen = _chosen(found, answer)
    if task.status in TASK_ENDED:
        raise Refused(f"Nobody waits for this any more: its task {task.key} is {task.status}.")
    if not decisions.answer(tx, decision_id, chosen):
        before = decisions.get(tx, decision_id)
        assert before is not None
        raise Refused(f"It was answered already: {before.answer}")
    tasks.hold_back(tx, task.id, -1)
    notes = attempt_ends.noted(task, NOTE, found.question, f"Decided: {chosen}")
    tasks.change(tx, task.id, notes=notes)
    tx.events.record(
        execution.id, "decision.answered", decision=decision_id, task=task.key, answer=chosen
    )
    dispatch.top_up(tx, settle(tx, execution))


def _chosen(decision: Row[Any], answer: str) -> str:
    """The answer, spelled as the option that it names where there are options."""
    said = answer.strip()
    if not said:
        raise InvalidInput("An answer can't be empty.")
    if not decision.options:
        return said
    for option in decision.options:
        if option.casefold() == said.casefold():
            return str(option)
    raise InvalidInput(f"Answer one of: {', '.join(decision.options)}.")
