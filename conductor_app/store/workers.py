"""Workers as they tell of themselves: queues, slots, when they were last heard of."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from conductor_app.store.database import Transaction
from conductor_app.store.tables import jobs, workers


def register(tx: Transaction, **values: Any) -> None:
    values |= {"started_at": tx.now, "seen_at": tx.now, "status": "up"}
    tx.run(insert(workers), values)


def beat(tx: Transaction, worker_id: str, **values: Any) -> None:
    tx.run(update(workers).where(workers.c.id == worker_id).values(seen_at=tx.now, **values))


def tell(tx: Transaction, job_id: str, agents: Mapping[str, Any]) -> None:
    """What agents can do, in the row of the worker that holds this job."""
    holder = select(jobs.c.worker_id).where(jobs.c.id == job_id).scalar_subquery()
    tx.run(update(workers).where(workers.c.id == holder).values(agents=dict(agents)))


def all_rows(tx: Transaction) -> Sequence[Row[Any]]:
    return tx.all(select(workers).order_by(workers.c.started_at))


def fresh(tx: Transaction, within: int) -> Sequence[Row[Any]]:
    """The workers heard of in the last so many milliseconds."""
    return tx.all(
        select(workers).where(workers.c.seen_at >= tx.now - within, workers.c.status == "up")
    )


def forget(tx: Transaction, before: int) -> None:
    """Drop the rows of workers that were last heard of before this time."""
    tx.run(delete(workers).where(workers.c.seen_at < before))
