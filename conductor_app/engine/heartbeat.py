"""A worker's sign of life: its row is fresh, its leases are prolonged, its time is told."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from conductor_app.engine import working_time
from conductor_app.store import jobs, workers
from conductor_app.store.database import Transaction


@dataclass(frozen=True)
class Pulse:
    """Of the jobs that a worker believed to hold: the fences of those that it still holds, and how
    many milliseconds of working time their executions have left, where that has a cap."""

    fences: dict[str, int] = field(default_factory=dict)
    working_left: dict[str, int] = field(default_factory=dict)


def pulse(
    tx: Transaction, worker_id: str, job_ids: Sequence[str], queues: Sequence[str], lease_ms: int
) -> Pulse:
    workers.beat(tx, worker_id, queues=list(queues))
    if not job_ids:
        return Pulse()
    jobs.renew(tx, worker_id, job_ids, tx.now + lease_ms)
    fences = jobs.held(tx, worker_id, job_ids)
    return Pulse(fences, working_time.left_of_jobs(tx, list(fences)))
