"""Executions: the row that every change to its parts locks first, so their rules never race."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Text, insert, literal_column, select, update

from conductor_app.domain.events import GENESIS
from conductor_app.domain.states import EXECUTION_ENDED, ExecutionState
from conductor_app.store.database import Transaction
from conductor_app.store.prepared import Prepared, among
from conductor_app.store.tables import OPEN_EXECUTION, executions, jobs, projects, shares, streams

OPEN = OPEN_EXECUTION


@dataclass
class Execution:
    """An execution under this transaction's lock; `change` keeps row and object the same."""

    row: Row[Any]
    values: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(name) from None

    def change(self, tx: Transaction, **values: Any) -> None:
        values["updated_at"] = tx.now
        tx.run(update(executions).where(executions.c.id == self.id).values(**values))
        self.values.update(values)

    def move(self, tx: Transaction, state: ExecutionState, **values: Any) -> None:
        before = self.status
        if before == state and values.get("reason") == self.reason:
            return
        told = {name: value for name, value in values.items() if name.startswith("reason")}
        if before != state:
            tx.events.moved(self.id, "execution", self.id, before, state, **told)
        if state in EXECUTION_ENDED:
            values["finished_at"] = tx.now
        self.change(tx, status=state, **values)

    @property
    def ended(self) -> bool:
        return self.status in EXECUTION_ENDED

    @property
    def moving(self) -> bool:
        """Whether its work may be queued, claimed and judged now."""
        return self.status == ExecutionState.RUNNING and self.hold is None


def lock(tx: Transaction, execution_id: str) -> Execution | None:
    found = lock_all(tx, [execution_id])
    return found.get(execution_id)


_LOCKED = (
    select(
        executions,
        projects.c.location,
        projects.c.name.label("project_name"),
        streams.c.last_number,
        streams.c.last_link,
    )
    .join(projects, projects.c.id == executions.c.project_id)
    .join(streams, streams.c.stream == literal_column("'execution:'", Text) + executions.c.id)
    .order_by(executions.c.id)
    .with_for_update(of=(executions, streams))
)
_LOCK_ALL = Prepared(_LOCKED.where(among(executions.c.id, "ids")))
_LOCK_OF_JOBS = Prepared(
    _LOCKED.where(executions.c.id.in_(select(jobs.c.execution_id).where(among(jobs.c.id, "ids"))))
)


def lock_all(tx: Transaction, ids: Iterable[str]) -> dict[str, Execution]:
    """Lock in one order for all transactions, so that two of them never wait for each other."""
    return _kept(tx, tx.all(_LOCK_ALL, {"ids": list(ids)}))


def lock_of_jobs(tx: Transaction, job_ids: Iterable[str]) -> dict[str, Execution]:
    """The executions of these jobs (and maybe others), locked, by execution id."""
    wanted = set(job_ids)
    if not wanted <= tx.covered:
        _kept(tx, tx.all(_LOCK_OF_JOBS, {"ids": list(wanted)}))
        tx.covered |= wanted
    return tx.locked


def _kept(tx: Transaction, rows: Iterable[Row[Any]]) -> dict[str, Execution]:
    """One object for an execution in a transaction; its stream's end is known from here on."""
    for row in rows:
        if row.id not in tx.locked:
            tx.locked[row.id] = Execution(row, dict(row._mapping))
            tx.events.know(f"execution:{row.id}", row.last_number, row.last_link)
    return {row.id: tx.locked[row.id] for row in rows}


def add(tx: Transaction, **values: Any) -> None:
    tx.run(insert(executions), values)
    stream = {"stream": f"execution:{values['id']}", "last_number": 0, "last_link": GENESIS}
    tx.run(insert(streams), stream)


def add_share(tx: Transaction, execution_id: str, weight: float) -> None:
    """A newcomer starts at the lowest virtual time there is: it neither waits nor jumps ahead."""
    lowest = tx.value(
        select(shares.c.virtual_time)
        .join(executions, executions.c.id == shares.c.execution_id)
        .where(OPEN)
        .order_by(shares.c.virtual_time)
        .limit(1)
    )
    tx.run(
        insert(shares),
        {"execution_id": execution_id, "weight": weight, "virtual_time": lowest or 0.0},
    )


def open_ids(tx: Transaction) -> list[str]:
    return [row.id for row in tx.all(select(executions.c.id).where(OPEN).order_by(executions.c.id))]


def exists(tx: Transaction, execution_id: str) -> bool:
    statement = select(executions.c.id).where(executions.c.id == execution_id)
    return tx.value(statement) is not None


def paused_for(tx: Transaction, reason: str, project_id: str | None = None) -> list[str]:
    """The executions that are paused for this reason, of all projects or of one."""
    statement = select(executions.c.id).where(
        executions.c.status == ExecutionState.PAUSED, executions.c.reason == reason
    )
    if project_id is not None:
        statement = statement.where(executions.c.project_id == project_id)
    return [row.id for row in tx.all(statement.order_by(executions.c.id))]


def hold_of(tx: Transaction, execution_id: str) -> str | None:
    """The job that holds everything else of an execution, if one does."""
    hold: str | None = tx.value(select(executions.c.hold).where(executions.c.id == execution_id))
    return hold


def open_of(tx: Transaction, project_id: str) -> list[str]:
    """The unfinished executions of a project, the newest first."""
    statement = select(executions.c.id).where(OPEN, executions.c.project_id == project_id)
    return [row.id for row in tx.all(statement.order_by(executions.c.id.desc()))]
