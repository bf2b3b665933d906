"""How an execution stands at one moment: its figures, and the tasks that somebody works on."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select

from conductor_app.domain.states import TaskState
from conductor_app.engine.figures import AT_WORK, Figures, figures
from conductor_app.store.database import Transaction
from conductor_app.store.tables import tasks
from conductor_app.views import current


@dataclass(frozen=True)
class Picture:
    """Figures of the phases up to the target, with the tasks at work; times in ms since 1970."""

    now: int
    figures: Figures
    at_work: list[Row[Any]]

    @property
    def done(self) -> int:
        return self.figures.count(TaskState.COMPLETED, TaskState.SKIPPED)

    @property
    def total(self) -> int:
        return sum(self.figures.tasks.values())

    @property
    def elapsed_seconds(self) -> float:
        started = self.figures.execution.started_at
        return 0.0 if started is None else (self.now - started) / 1000

    @property
    def seconds_left(self) -> float | None:
        """None while nobody can know: nothing is done yet, or it is paused."""
        eta = self.figures.eta(self.now)
        return None if eta is None else max(eta - self.now, 0) / 1000


def picture_of(tx: Transaction, execution_id: str) -> Picture:
    execution = current.execution(tx, execution_id)
    at_work = tx.all(
        select(tasks)
        .where(
            tasks.c.execution_id == execution_id,
            tasks.c.current,
            tasks.c.status.in_([str(state) for state in AT_WORK]),
        )
        .order_by(tasks.c.started_at)
    )
    return Picture(tx.now, figures(tx, execution), list(at_work))
