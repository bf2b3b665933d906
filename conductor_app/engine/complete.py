"""Completing tasks: the transaction that completes a task releases what needs it."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from conductor_app.engine.settle import settle
from conductor_app.store import needs, tasks
from conductor_app.store.database import Transaction
from conductor_app.store.executions import Execution


@dataclass(frozen=True, slots=True)
class Done:
    """A task whose work is on the branch, or that had nothing to bring there."""

    task_id: str
    key: str
    agent: str
    phase: int
    milestone: str | None
    before: str
    commit: str | None = None
    summary: str = ""


def complete(
    tx: Transaction, execution: Execution, done: Sequence[Done], inside: Collection[str] = ()
) -> list[str]:
    """Complete the tasks, lower the needs of their dependents, settle; the queues to top up."""
    tasks.complete(tx, [(each.task_id, each.commit, each.summary) for each in done])
    for each in done:
        tx.events.moved(
            execution.id,
            "task",
            each.task_id,
            each.before,
            "completed",
            key=each.key,
            agent=each.agent,
            commit=each.commit,
        )
    met(tx, execution, done)
    return settle(tx, execution, inside)


def met(tx: Transaction, execution: Execution, done: Sequence[Done]) -> None:
    """These needs are met: count it where it is counted."""
    needs.shift(tx, execution.id, [each.key for each in done], -1)
    for phase, count in Counter(each.phase for each in done).items():
        tasks.count_open_in_phase(tx, execution.id, phase, -count)
    for milestone, count in Counter(each.milestone for each in done if each.milestone).items():
        tasks.count_open_in_milestone(tx, execution.id, milestone, -count)
