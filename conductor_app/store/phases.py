"""Phases, milestones and checkpoints: their rows, each change of state with its event."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, and_, bindparam, func, insert, or_, select, update

from conductor_app.domain.states import MilestoneState, PhaseState
from conductor_app.store.database import Transaction
from conductor_app.store.prepared import Prepared
from conductor_app.store.tables import (
    CURRENT_MILESTONE,
    CURRENT_PHASE,
    STUCK_TASK,
    checkpoints,
    milestones,
    phases,
    tasks,
)


def add(
    tx: Transaction,
    phase_rows: Sequence[dict[str, Any]],
    milestone_rows: Sequence[dict[str, Any]],
) -> None:
    """Rows that begin as pending."""
    if phase_rows:
        tx.run(insert(phases), list(phase_rows))
    if milestone_rows:
        tx.run(insert(milestones), list(milestone_rows))


_CURRENT = Prepared(
    select(phases).where(
        phases.c.execution_id == bindparam("of_execution"),
        phases.c.number == bindparam("of_phase"),
        CURRENT_PHASE,
    )
)


def current(tx: Transaction, execution_id: str, number: int) -> Row[Any] | None:
    return tx.first(_CURRENT, {"of_execution": execution_id, "of_phase": number})


_STUCK_TASKS = (
    select(func.count())
    .select_from(tasks)
    .where(tasks.c.execution_id == bindparam("of_execution"), STUCK_TASK)
    .scalar_subquery()
)
_AT_WORK = Prepared(
    select(phases, _STUCK_TASKS.label("stuck_tasks"))
    .where(
        phases.c.execution_id == bindparam("of_execution"),
        CURRENT_PHASE,
        or_(
            phases.c.number == bindparam("of_phase"),
            and_(phases.c.number < bindparam("of_phase"), phases.c.open_tasks > 0),
        ),
    )
    .order_by(phases.c.number)
)


def at_work(tx: Transaction, execution_id: str, current_phase: int) -> Sequence[Row[Any]]:
    """The current phase, last; before it those of which a task was opened again since.

    Each with how many tasks of the execution are stuck (`stuck_tasks`).
    """
    return tx.all(_AT_WORK, {"of_execution": execution_id, "of_phase": current_phase})


def all_current(tx: Transaction, execution_id: str) -> Sequence[Row[Any]]:
    return tx.all(
        select(phases)
        .where(phases.c.execution_id == execution_id, CURRENT_PHASE)
        .order_by(phases.c.number)
    )


def move(
    tx: Transaction,
    phase: Row[Any],
    state: PhaseState,
    *,
    why: str | None = None,
    **values: Any,
) -> bool:
    """`why` is for those who watch: the check that failed."""
    changed = tx.run(
        update(phases)
        .where(phases.c.id == phase.id, phases.c.status == phase.status)
        .values(status=state, **values)
    )
    if changed:
        tx.events.moved(
            phase.execution_id,
            "phase",
            phase.id,
            phase.status,
            state,
            number=phase.number,
            name=phase.name,
            **({"why": why} if why else {}),
        )
    return bool(changed)


def change(tx: Transaction, phase_id: str, **values: Any) -> None:
    tx.run(update(phases).where(phases.c.id == phase_id).values(**values))


def milestones_of(
    tx: Transaction, execution_id: str, phase: int | None = None
) -> Sequence[Row[Any]]:
    statement = select(milestones).where(
        milestones.c.execution_id == execution_id, CURRENT_MILESTONE
    )
    if phase is not None:
        statement = statement.where(milestones.c.phase == phase)
    return tx.all(statement.order_by(milestones.c.phase, milestones.c.id))


def milestone(tx: Transaction, milestone_id: str) -> Row[Any] | None:
    return tx.first(select(milestones).where(milestones.c.id == milestone_id))


def move_milestone(
    tx: Transaction,
    milestone: Row[Any],
    state: MilestoneState,
    *,
    why: str | None = None,
    **values: Any,
) -> bool:
    """`why` is for those who watch: the check that failed."""
    changed = tx.run(
        update(milestones)
        .where(milestones.c.id == milestone.id, milestones.c.status == milestone.status)
        .values(status=state, **values)
    )
    if changed:
        tx.events.moved(
            milestone.execution_id,
            "milestone",
            milestone.id,
            milestone.status,
            state,
            key=milestone.key,
            name=milestone.name,
            **({"why": why} if why else {}),
        )
    return bool(changed)


def checkpoint_before(tx: Transaction, execution_id: str, phase: int) -> Row[Any] | None:
    """The newest checkpoint taken before this phase began."""
    return tx.first(
        select(checkpoints)
        .where(checkpoints.c.execution_id == execution_id, checkpoints.c.phase == phase)
        .order_by(checkpoints.c.created_at.desc(), checkpoints.c.id.desc())
        .limit(1)
    )
