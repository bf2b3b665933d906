"""Executions: the row that every change to its parts locks first, so their rules never race."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Text, insert, literal_column, select, update

from conductor_app.domain.events import GENESIS
from conductor_app.domain.states import EXECUTION_ENDED, ExecutionState
from conductor_app.store.database import Transaction
from conductor_app.store.prepared import Prepared, among
from conductor_app.store.tables import OPEN_EXECUTION, executions, jobs, projects, shares, streams

OPEN = OPEN_EXECUTION


@dataclass
class Execution:
    """An execution under this transaction's lock; `change` keeps row and object the same."""

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


_STREAM = streams.c.stream == literal_column("'execution:'", Text) + executions.c.id
_LOCK = (
    select(executions.c.id)
    .join(streams, _STREAM)
    .order_by(executions.c.id)
    .with_for_update(of=(executions, streams))
)
_LOCK_ALL = Prepared(_LOCK.where(among(executions.c.id, "ids")))
_LOCK_OF_JOBS = Prepared(
    _LOCK.where(executions.c.id.in_(select(jobs.c.execution_id).where(among(jobs.c.id, "ids"))))
)
# What an `Execution` is made of, by its names there.
_COLUMNS: Mapping[str, ColumnElement[Any]] = {
    **{column.name: column for column in executions.c},
    "location": projects.c.location,
    "project_name": projects.c.name,
    "last_number": streams.c.last_number,
    "last_link": streams.c.last_link,
}
_ALL = Prepared(
    select(*(column.label(name) for name, column in _COLUMNS.items()))
    .join_from(executions, projects, projects.c.id == executions.c.project_id)
    .join(streams, _STREAM)
    .where(among(executions.c.id, "ids"))
    .order_by(executions.c.id)
)


def lock_all(tx: Transaction, ids: Iterable[str]) -> dict[str, Execution]:
    """Lock in one order for all transactions, so that two of them never wait for each other."""
    wanted = {"ids": list(ids)}
    _lock(tx, _LOCK_ALL, wanted)
    return {row.id: _kept(tx, row._asdict()) for row in tx.all(_ALL, wanted)}


def lock_of_jobs(tx: Transaction, job_ids: Iterable[str]) -> None:
    """Lock the executions of these jobs, with what is sent next."""
    wanted = set(job_ids)
    if not wanted <= tx.covered:
        _lock(tx, _LOCK_OF_JOBS, {"ids": list(wanted)})
        tx.covered |= wanted


def _lock(tx: Transaction, statement: Prepared, ids: Mapping[str, Any]) -> None:
    """What is read after it is what was committed last; SQLite has one writer anyhow."""
    if tx.postgresql:
        tx.later(statement, ids)


def beside_jobs(statement: Select[Any]) -> Select[Any]:
    """This selection of jobs, with what `know` wants of their executions."""
    names = ((f"execution_{name}", column) for name, column in _COLUMNS.items() if name != "id")
    return (
        statement.add_columns(*(column.label(name) for name, column in names))
        .join(executions, executions.c.id == jobs.c.execution_id)
        .join(projects, projects.c.id == executions.c.project_id)
        .join(streams, _STREAM)
    )


def know(tx: Transaction, rows: Iterable[Row[Any]]) -> None:
    """Keep the executions of these jobs, which are locked, for `tx.locked`."""
    for row in rows:
        if row.execution_id not in tx.locked:
            told = row._mapping
            _kept(tx, {name: told[f"execution_{name}"] for name in _COLUMNS})


def _kept(tx: Transaction, values: dict[str, Any]) -> Execution:
    """One object for an execution in a transaction; its stream's end is known from here on."""
    id_ = values["id"]
    if id_ not in tx.locked:
        tx.locked[id_] = Execution(values)
        tx.events.know(f"execution:{id_}", values["last_number"], values["last_link"])
    kept: Execution = tx.locked[id_]
    return kept


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
