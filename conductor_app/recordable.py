"""Which attempts of an execution a replay has to play, and whose work it would do at another time.

Nobody intervenes in a replay: what was given up or taken back must not be in it.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, select

from conductor_app.domain.states import TaskState
from conductor_app.engine.generations import before
from conductor_app.store import phases, tables
from conductor_app.store.database import Transaction


def ended_attempts(tx: Transaction, execution_id: str) -> Sequence[Row[Any]]:
    """Those that came to an end of their own, of generations whose work was taken.

    What failed for good before a person retried it has left nothing.
    """
    attempts, of = tables.attempts, tables.tasks
    ended = attempts.c.status.in_(("succeeded", "failed"))
    return tx.all(
        select(
            *(attempts.c.id, attempts.c.number, attempts.c.status, attempts.c.round),
            *(of.c.id.label("task_id"), of.c.key, of.c.phase, of.c.generation),
            *(of.c.notes, of.c.created_at),
        )
        .join(of, of.c.id == attempts.c.task_id)
        .where(attempts.c.execution_id == execution_id, ended, of.c.status == TaskState.COMPLETED)
        .order_by(attempts.c.started_at, attempts.c.id)
    )


def to_play(attempts: Sequence[Row[Any]]) -> Collection[Row[Any]]:
    """Of these what a rerun or rollback has not taken back; where the work came into conflict and
    was done again, only the last."""
    anew = _begun_anew(attempts)
    kept = [row for row in attempts if row.generation >= anew[row.key].generation]
    return {(row.task_id, row.round): row for row in kept}.values()


def done_late(tx: Transaction, execution_id: str, attempts: Sequence[Row[Any]]) -> Collection[str]:
    """The tasks that a person had done again after other work of their phase had been sent back,
    or the phase was complete: a replay does them before that."""
    anew = _begun_anew(attempts)
    judged = {row.number: [row.completed_at] for row in phases.all_current(tx, execution_id)}
    for row in to_play(attempts):
        if row.generation > anew[row.key].generation:
            judged[row.phase].append(row.created_at)
    return {
        key
        for key, row in anew.items()
        if row.generation > 1 and any(at and at < row.created_at for at in judged[row.phase])
    }


def _begun_anew(attempts: Sequence[Row[Any]]) -> Mapping[str, Row[Any]]:
    """Of each task the newest generation that had nothing before it, by one of its attempts.

    What was sent back has something before it: the work that it was sent back for.
    """
    return {row.key: row for row in attempts if not before(row.notes)}
