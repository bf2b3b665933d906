"""Reporting: a worker says how a job ended, and is believed only while it holds the fence."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row

from conductor_app.domain.outcome import (
    Checkpointed,
    Conflicted,
    Failed,
    Integrated,
    Interrupted,
    Judged,
    Released,
    Report,
    RolledBack,
    Succeeded,
    Suspended,
    Unreadable,
)
from conductor_app.domain.states import JobState
from conductor_app.engine import (
    attempt_ends,
    dispatch,
    integration,
    judging,
    suspension,
    system_ends,
)
from conductor_app.engine.claim import Claim, claim_of
from conductor_app.store import hints, jobs
from conductor_app.store.database import Transaction
from conductor_app.store.executions import Execution


@dataclass(slots=True)
class Answer:
    """Whether the report was accepted, and what the worker may go on with at once."""

    accepted: bool
    # The chain goes on: its next link was queued by this very report.
    chain: bool = False
    # That link, claimed by this very report too.
    next: Claim | None = None
    # The job of the integration that the winner carries out itself, already claimed.
    integration: str | None = None


@dataclass
class _Batch:
    reports: list[Report] = field(default_factory=list)
    rows: dict[str, Row[Any]] = field(default_factory=dict)


def report(tx: Transaction, reports: Sequence[Report], lease_ms: int) -> dict[str, Answer]:
    """Apply the reports that still hold their fence; a stale one changes nothing."""
    rows = {row.id: row for row in jobs.locked(tx, [each.job_id for each in reports])}
    answers = {each.job_id: Answer(accepted=False) for each in reports}
    by_execution: dict[str, _Batch] = {}
    queues: list[str] = []
    for each in reports:
        row = rows.get(each.job_id)
        if row is None or row.status != JobState.ACTIVE or row.fence != each.fence:
            continue
        answers[each.job_id].accepted = True
        queues.append(row.queue)
        batch = by_execution.setdefault(row.execution_id, _Batch())
        batch.reports.append(each)
        batch.rows[each.job_id] = row
    for execution_id, batch in by_execution.items():
        queues += _apply(tx, tx.locked[execution_id], batch, answers, lease_ms)
    for each in reports:
        if each.go_on and answers[each.job_id].chain:
            answers[each.job_id].next = _go_on(tx, rows[each.job_id], each, lease_ms)
    # Where a link was gone on with nothing waits.
    empty = {rows[id_].queue for id_, answer in answers.items() if answer.next}
    dispatch.top_up(tx, set(queues) - empty)
    return answers


def ended_by(tx: Transaction, reports: Sequence[Report]) -> set[str]:
    """The jobs that these reports have ended already: nobody else could have, with their fences."""
    fences = {each.job_id: each.fence for each in reports}
    return {
        row.id
        for row in jobs.with_tasks(tx, fences)
        if row.status in (JobState.SUCCEEDED, JobState.FAILED) and row.fence == fences[row.id]
    }


def _go_on(tx: Transaction, job: Row[Any], report: Report, lease_ms: int) -> Claim | None:
    """Claim the chain's next link for the worker that is free now, unless another job waits.

    Through the broker it would come to the same: nothing stands before it in its queue.
    """
    link = hints.waiting_alone(tx, job.queue, str(report.next_link))
    if link is None:
        return None
    return claim_of(tx, [link], job.worker_id, lease_ms).get(link.id)


def _apply(
    tx: Transaction,
    execution: Execution,
    batch: _Batch,
    answers: dict[str, Answer],
    lease_ms: int,
) -> list[str]:
    plain = [
        each
        for each in batch.reports
        if isinstance(each.outcome, Succeeded) and each.outcome.commit is None
    ]
    queues: list[str] = []
    if plain:
        inside = {each.next_link for each in plain if each.next_link}
        queues += attempt_ends.succeeded(
            tx, execution, [(batch.rows[each.job_id], each) for each in plain], inside
        )
        _say_what_was_chained(tx, plain, answers)
    for each in batch.reports:
        if each in plain:
            continue
        row = batch.rows[each.job_id]
        queues += _one(tx, execution, row, each, answers[each.job_id], lease_ms)
    return queues


def _say_what_was_chained(
    tx: Transaction, plain: Sequence[Report], answers: dict[str, Answer]
) -> None:
    for each in plain:
        answers[each.job_id].chain = each.next_link in tx.carried


def _one(
    tx: Transaction,
    execution: Execution,
    job: Row[Any],
    report: Report,
    answer: Answer,
    lease_ms: int,
) -> list[str]:
    match report.outcome:
        case Succeeded() as outcome:
            answer.integration = integration.begin(
                tx, execution, job, report.attempt_id, outcome, lease_ms
            )
            return []
        case Failed() as outcome:
            return attempt_ends.failed(tx, execution, job, report.attempt_id, outcome)
        case Suspended() as outcome if job.kind == "check":
            return suspension.check_waits(tx, execution, job, outcome)
        case Suspended() as outcome:
            return suspension.suspended(tx, execution, job, report.attempt_id, outcome)
        case Released():
            return attempt_ends.released(tx, job, report.attempt_id)
        case Integrated() as outcome:
            inside = {report.next_link} if report.next_link else set()
            queues = integration.finish(tx, execution, job, outcome, inside)
            _say_what_was_chained(tx, [report], {report.job_id: answer})
            return queues
        case Conflicted() as outcome if job.kind == "revert":
            return system_ends.not_reverted(tx, execution, job, outcome)
        case Conflicted() as outcome:
            return integration.conflict(tx, execution, job, outcome)
        case Unreadable() as outcome:
            return integration.unreadable(tx, execution, job, outcome)
        case Judged() as outcome:
            return judging.judged(tx, execution, job, outcome)
        case Checkpointed() as outcome:
            return system_ends.checkpointed(tx, execution, job, outcome)
        case RolledBack() as outcome:
            return system_ends.rolled_back(tx, execution, job, outcome)
        case Interrupted() as outcome:
            return system_ends.interrupted(tx, execution, job, outcome)
