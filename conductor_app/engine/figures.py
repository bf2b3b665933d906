"""The figures that several read models share: counts of tasks, progress of phases, the ETA."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, select

from conductor_app.domain import estimate
from conductor_app.domain.estimate import Count
from conductor_app.domain.states import ExecutionState, MilestoneState, TaskState
from conductor_app.engine.advancing import waits_for_a_person
from conductor_app.store import phases as phase_rows
from conductor_app.store.database import Transaction
from conductor_app.store.tables import tasks

AT_WORK = (TaskState.ACTIVE, TaskState.INTEGRATING)
NOT_YET = (TaskState.WAITING, TaskState.QUEUED)


@dataclass(frozen=True)
class Figures:
    """An execution in numbers; phases after the target are no part of it."""

    execution: Row[Any]
    phases: list[Row[Any]]
    milestones: list[Row[Any]]
    # How many tasks there are of each (agent, status).
    tasks: Mapping[tuple[str, str], int]
    counts: Mapping[int, Count]

    def count(self, *states: str) -> int:
        """How many tasks are in one of these states."""
        return sum(n for (_, status), n in self.tasks.items() if status in states)

    def agents(self, *states: str) -> list[str]:
        """The agents that have a task in one of these states."""
        return sorted({agent for agent, status in self.tasks if status in states})

    @property
    def current(self) -> Row[Any]:
        return next(row for row in self.phases if row.number == self.execution.current_phase)

    def progress(self, phase: int) -> float:
        """The fraction of a phase that is done."""
        return estimate.progress(self.counts[phase])

    @property
    def overall(self) -> float:
        """The fraction of all phases that is done."""
        if self.execution.status == ExecutionState.COMPLETED:
            return 1.0
        return estimate.overall(self.counts.values())

    def eta(self, now: int) -> int | None:
        """When it will be over (ms), or was.

        None while nobody can know: no progress yet, it is paused, it waits for a person.
        """
        execution = self.execution
        if execution.status == ExecutionState.COMPLETED:
            return int(execution.finished_at)
        if execution.status != ExecutionState.RUNNING or execution.started_at is None:
            return None
        if waits_for_a_person(execution, self.current):
            return None
        at = estimate.completion(execution.started_at, now, self.overall)
        return None if at is None else round(at)


def figures(tx: Transaction, execution: Row[Any]) -> Figures:
    target = execution.target_phase
    phases = [row for row in phase_rows.all_current(tx, execution.id) if row.number <= target]
    milestones = [row for row in phase_rows.milestones_of(tx, execution.id) if row.phase <= target]
    done = Counter(row.phase for row in milestones if row.status == MilestoneState.COMPLETED)
    of_phase = Counter(row.phase for row in milestones)
    counts = {
        row.number: Count(
            row.total_tasks + of_phase[row.number],
            row.total_tasks - row.open_tasks + done[row.number],
        )
        for row in phases
    }
    return Figures(execution, phases, milestones, _tasks(tx, execution), counts)


def _tasks(tx: Transaction, execution: Row[Any]) -> dict[tuple[str, str], int]:
    statement = (
        select(tasks.c.agent, tasks.c.status, func.count().label("n"))
        .where(
            tasks.c.execution_id == execution.id,
            tasks.c.current,
            tasks.c.phase <= execution.target_phase,
        )
        .group_by(tasks.c.agent, tasks.c.status)
    )
    return {(row.agent, row.status): row.n for row in tx.all(statement)}
