"""A worker's sign of life: its row is fresh, its leases are prolonged, its orders are read."""

from collections.abc import Sequence
from dataclasses import dataclass

from conductor_app.store import jobs, workers
from conductor_app.store.database import Transaction


@dataclass(frozen=True)
class Pulse:
    """Of the jobs that a worker believed to hold: the fences it still holds, and what to cancel."""

    held: dict[str, int]
    cancelled: frozenset[str]


def pulse(
    tx: Transaction, worker_id: str, job_ids: Sequence[str], queues: Sequence[str], lease_ms: int
) -> Pulse:
    workers.beat(tx, worker_id, queues=list(queues))
    if not job_ids:
        return Pulse({}, frozenset())
    jobs.renew(tx, worker_id, job_ids, tx.now + lease_ms)
    held = jobs.held(tx, worker_id, job_ids)
    return Pulse(
        {id_: row.fence for id_, row in held.items()},
        frozenset(id_ for id_, row in held.items() if row.cancel_requested),
    )
