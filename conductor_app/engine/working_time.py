"""Working time: how long at least one attempt of an execution was under way, and what is left.

It is not reserved: every attempt has what is left as its deadline, looked at anew at each
heartbeat. Waiting for a person does not count.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from conductor_app.domain import budget as rules
from conductor_app.domain.states import ExecutionState, PauseReason
from conductor_app.store import budgets, workflows
from conductor_app.store.database import Transaction
from conductor_app.store.executions import Execution


def left(tx: Transaction, execution_id: str) -> int | None:
    """Milliseconds; None without a cap. Below nothing when it is used up."""
    row = budgets.get(tx, rules.of_execution(execution_id))
    if row is None or row.working_ms_cap is None:
        return None
    return int(row.working_ms_cap) - spent(tx, row)


def spent(tx: Transaction, row: Row[Any]) -> int:
    """Milliseconds up to now, of an execution's budget."""
    spans = budgets.spans(tx, row.subject_id, row.working_from)
    return int(row.working_ms_spent) + rules.worked(spans, row.worked_until, tx.now)


def left_of_jobs(tx: Transaction, job_ids: Sequence[str]) -> dict[str, int]:
    """The same by job, of those whose execution has a cap."""
    found = budgets.jobs_with_working_time(tx, job_ids)
    known = {execution: left(tx, execution) for execution in sorted(set(found.values()))}
    return {job: ms for job, of in found.items() if (ms := known[of]) is not None}


def limited(tx: Transaction, execution: Execution) -> bool:
    """Whether its workflow caps its working time: all others are asked no further."""
    return workflows.of_version(tx, execution.workflow_version).budget.minutes is not None


def count(tx: Transaction, execution: Execution) -> None:
    """Keep what was counted so far, and pause the execution when that is all of it."""
    if not limited(tx, execution):
        return
    row = budgets.get(tx, rules.of_execution(execution.id))
    if row is None or row.working_ms_cap is None:
        return
    spans = budgets.spans(tx, execution.id, row.working_from)
    total = row.working_ms_spent + rules.worked(spans, row.worked_until, tx.now)
    lasting = [begin for begin, end in spans if end is None]
    if total != row.working_ms_spent:
        budgets.change(
            tx,
            row.id,
            working_ms_spent=total,
            worked_until=tx.now,
            working_from=min([tx.now, *lasting]),
        )
    if total >= row.working_ms_cap:
        pause(tx, execution, over(execution.id))


def over(execution_id: str) -> str:
    """What people are told."""
    return (
        "The execution has used all of its working time. Way out: "
        f"`conductor budget raise execution:{execution_id} --minutes N --reason WHY`, then it "
        "goes on."
    )


def pause(tx: Transaction, execution: Execution, detail: str) -> None:
    """For a person, who raises a cap; one that is paused already stays as it is."""
    if execution.status == ExecutionState.RUNNING:
        execution.move(
            tx,
            ExecutionState.PAUSED,
            reason=PauseReason.BUDGET_EXHAUSTED,
            reason_detail=detail,
        )
