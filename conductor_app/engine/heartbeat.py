"""A worker's sign of life: its row is fresh, its leases are prolonged."""

from collections.abc import Sequence

from conductor_app.store import jobs, workers
from conductor_app.store.database import Transaction


def pulse(
    tx: Transaction, worker_id: str, job_ids: Sequence[str], queues: Sequence[str], lease_ms: int
) -> dict[str, int]:
    """Of the jobs that the worker believed to hold, the fences of those that it still holds."""
    workers.beat(tx, worker_id, queues=list(queues))
    if not job_ids:
        return {}
    jobs.renew(tx, worker_id, job_ids, tx.now + lease_ms)
    return jobs.held(tx, worker_id, job_ids)
