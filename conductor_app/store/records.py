"""What is only added: attempts and their ends, check results, errors, lessons, checkpoints."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, func, insert, select, update

from conductor_app.domain.outcome import NOTHING_USED, Judgement, Usage
from conductor_app.domain.states import UNFINISHED_ATTEMPT, AttemptState, LessonState
from conductor_app.ids import new_id
from conductor_app.store import budgets
from conductor_app.store.database import Transaction
from conductor_app.store.prepared import Prepared
from conductor_app.store.tables import (
    attempts,
    check_results,
    checkpoints,
    errors,
    executions,
    lessons,
    progress,
)

_ADD_ATTEMPT = Prepared(insert(attempts))


def add_attempts(tx: Transaction, rows: Sequence[dict[str, Any]]) -> None:
    tx.later(_ADD_ATTEMPT, *rows)


# Usage only grows.
_MORE = {
    "turns": attempts.c.turns + bindparam("new_turns"),
    "input_tokens": attempts.c.input_tokens + bindparam("new_input"),
    "output_tokens": attempts.c.output_tokens + bindparam("new_output"),
    "cache_read_tokens": attempts.c.cache_read_tokens + bindparam("new_cached"),
    "cost_nano_usd": attempts.c.cost_nano_usd + bindparam("new_cost"),
}
_END_ATTEMPT = Prepared(
    update(attempts)
    .where(attempts.c.id == bindparam("attempt"), attempts.c.status == "active")
    .values(
        status=bindparam("new_status"),
        finished_at=bindparam("now"),
        sandbox=bindparam("new_sandbox"),
        # One that never came to its report keeps what its claim knew.
        connector=func.coalesce(bindparam("new_connector"), attempts.c.connector),
        commit=bindparam("new_commit"),
        tree=bindparam("new_tree"),
        kept=bindparam("new_kept"),
        error_kind=bindparam("new_kind"),
        error_message=bindparam("new_message"),
        **_MORE,
    )
)


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """How an attempt ended, and what it used."""

    attempt_id: str
    state: AttemptState
    usage: Usage = NOTHING_USED
    sandbox: str | None = None
    connector: str | None = None
    commit: str | None = None
    tree: str | None = None
    kept: str | None = None
    error_kind: str | None = None
    error_message: str | None = None


def end_attempts(tx: Transaction, ends: Sequence[AttemptEnd]) -> None:
    tx.later(
        _END_ATTEMPT,
        *(
            {
                "attempt": end.attempt_id,
                "new_status": end.state,
                "now": tx.now,
                "new_sandbox": end.sandbox,
                "new_connector": end.connector,
                "new_commit": end.commit,
                "new_tree": end.tree,
                "new_kept": end.kept,
                "new_kind": end.error_kind,
                "new_message": end.error_message,
                **_used(end.usage),
            }
            for end in ends
        ),
    )
    # One that succeeded has settled its calls; what came of the others' is known to nobody now.
    unsure = [end.attempt_id for end in ends if end.state != AttemptState.SUCCEEDED]
    if unsure:
        budgets.settle_at_worst(tx, unsure)


_ADD_USAGE = update(attempts).where(attempts.c.id == bindparam("attempt")).values(_MORE)


def add_usage(tx: Transaction, attempt_id: str, usage: Usage) -> None:
    """Add to what an attempt has used, whether it has ended or not."""
    tx.run(_ADD_USAGE, {"attempt": attempt_id, **_used(usage)})


def _used(usage: Usage) -> dict[str, int]:
    return {
        "new_turns": usage.turns,
        "new_input": usage.input_tokens,
        "new_output": usage.output_tokens,
        "new_cached": usage.cache_read_tokens,
        "new_cost": usage.cost_nano_usd,
    }


def expect(tx: Transaction, attempt_id: str, milliseconds: int) -> None:
    """What the attempt's agent expects that it will take."""
    tx.run(update(attempts).where(attempts.c.id == attempt_id).values(expected_ms=milliseconds))


def active_attempt(tx: Transaction, task_id: str) -> str | None:
    """The attempt of a task that has not ended."""
    id_: str | None = tx.value(
        select(attempts.c.id).where(attempts.c.task_id == task_id, attempts.c.status == "active")
    )
    return id_


def cancel_active_attempt(tx: Transaction, task_id: str) -> None:
    attempt_id = active_attempt(tx, task_id)
    if attempt_id:
        end_attempts(tx, [AttemptEnd(attempt_id, AttemptState.CANCELLED)])


def lose_attempt(tx: Transaction, attempt_id: str) -> None:
    end_attempts(tx, [AttemptEnd(attempt_id, AttemptState.LOST)])


def attempts_at(tx: Transaction, task_id: str) -> Sequence[Row[Any]]:
    """The attempts at a task, the newest first."""
    statement = select(attempts).where(attempts.c.task_id == task_id)
    return tx.all(statement.order_by(attempts.c.number.desc()))


def unfinished(tx: Transaction, task_id: str, round_: int) -> tuple[str, ...]:
    """The attempts of a round that ended without a result, the latest first."""
    statement = select(attempts.c.id).where(
        attempts.c.task_id == task_id,
        attempts.c.round == round_,
        attempts.c.status.in_(UNFINISHED_ATTEMPT),
    )
    return tuple(row.id for row in tx.all(statement.order_by(attempts.c.number.desc())))


def count_attempts(tx: Transaction, task_id: str) -> int:
    return int(tx.value(select(func.count()).where(attempts.c.task_id == task_id)))


_ADD_JUDGEMENT = Prepared(insert(check_results))


def add_judgements(
    tx: Transaction,
    execution_id: str,
    phase: int,
    judgements: Iterable[Judgement],
    *,
    job_id: str,
    attempt_id: str | None = None,
) -> None:
    rows = [
        {
            "id": new_id(),
            "execution_id": execution_id,
            "phase": phase,
            "role": each.role,
            "subject": each.subject,
            "job_id": job_id,
            "attempt_id": attempt_id,
            "name": each.name,
            "kind": each.kind,
            "verdict": each.verdict,
            "message": each.message,
            "evidence": each.evidence,
            "created_at": tx.now,
        }
        for each in judgements
    ]
    if rows:
        tx.later(_ADD_JUDGEMENT, *rows)


def add_error(
    tx: Transaction,
    execution_id: str,
    phase: int,
    severity: str,
    kind: str,
    message: str,
    *,
    detail: str = "",
    agent: str | None = None,
    task_key: str | None = None,
) -> None:
    """Record an error; severity is low (retried), medium, high (a task is lost) or critical."""
    tx.run(
        insert(errors),
        {
            "id": new_id(),
            "execution_id": execution_id,
            "phase": phase,
            "agent": agent,
            "task_key": task_key,
            "severity": severity,
            "kind": kind,
            "message": message,
            "detail": detail,
            "created_at": tx.now,
        },
    )
    tx.events.record(
        execution_id, "error.recorded", severity=severity, kind=kind, message=message, task=task_key
    )


def critical_errors(tx: Transaction, execution_id: str) -> list[str]:
    statement = select(errors.c.message).where(
        errors.c.execution_id == execution_id,
        errors.c.severity == "critical",
        errors.c.resolved_at.is_(None),
    )
    return [row.message for row in tx.all(statement)]


def open_errors(tx: Transaction, execution_id: str, kind: str, since: int) -> list[str]:
    """What the unresolved errors of a kind say that were recorded at this time or later."""
    statement = select(errors.c.message).where(
        errors.c.execution_id == execution_id,
        errors.c.created_at >= since,
        errors.c.kind == kind,
        errors.c.resolved_at.is_(None),
    )
    return [row.message for row in tx.all(statement)]


def resolve_errors(tx: Transaction, execution_id: str) -> None:
    tx.run(
        update(errors)
        .where(errors.c.execution_id == execution_id, errors.c.resolved_at.is_(None))
        .values(resolved_at=tx.now)
    )


def add_checkpoint(
    tx: Transaction,
    execution_id: str,
    phase: int,
    tag: str,
    commit: str | None,
    task_ids: Sequence[str],
) -> str:
    id_ = new_id()
    tx.run(
        insert(checkpoints),
        {
            "id": id_,
            "execution_id": execution_id,
            "phase": phase,
            "tag": tag,
            "commit": commit,
            "task_ids": list(task_ids),
            "created_at": tx.now,
        },
    )
    tx.events.record(execution_id, "checkpoint.created", phase=phase, tag=tag, commit=commit)
    return id_


def add_lesson(
    tx: Transaction,
    execution_id: str,
    category: str,
    description: str,
    *,
    phase: int | None,
    agent: str | None,
    impact: str = "",
    action_taken: str = "",
    status: str = LessonState.RECORDED,
) -> None:
    """Record a lesson of category success, failure, optimization or pattern."""
    project_id = tx.value(select(executions.c.project_id).where(executions.c.id == execution_id))
    id_ = new_id()
    tx.run(
        insert(lessons),
        {
            "id": id_,
            "project_id": project_id,
            "execution_id": execution_id,
            "phase": phase,
            "agent": agent,
            "category": category,
            "description": description,
            "impact": impact,
            "action_taken": action_taken,
            "status": status,
            "created_at": tx.now,
        },
    )
    tx.events.record(
        execution_id,
        f"lesson.{status}",
        lesson=id_,
        agent=agent,
        category=category,
        description=description,
    )


def add_progress(tx: Transaction, execution_id: str, **values: Any) -> None:
    tx.run(insert(progress), {"id": new_id(), "execution_id": execution_id, "at": tx.now, **values})
