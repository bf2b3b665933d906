"""waiting -> queued: what has all it needs gets a job, within the limits on concurrency."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Row

from conductor_app.domain.states import JobState
from conductor_app.queue import agent_queue
from conductor_app.store import jobs, tasks, workflows
from conductor_app.store.database import Transaction
from conductor_app.store.executions import Execution

# Tasks queued by one transaction at most: what is beyond is queued as these end.
BATCH = 1000


def queue_ready(
    tx: Transaction, execution: Execution, phase: int, inside: Collection[str] = ()
) -> list[str]:
    """Queue the phase's ready tasks; the queues that got something to send.

    `inside` names tasks whose message the broker's chain carries already, because the link before
    them is being delivered right now.
    """
    rows = _within_limits(tx, execution, phase)
    if not rows:
        return []
    ids = [row.id for row in rows]
    tasks.queue(tx, ids)
    for row in rows:
        tx.events.moved(
            execution.id, "task", row.id, "waiting", "queued", key=row.key, agent=row.agent
        )
    # A task that was queued before and went back to waiting has its job already.
    for row in rows:
        if row.queued_at is not None:
            jobs.unpark(tx, row.id)
    jobs.add(tx, [_job(tx, execution, row, inside) for row in rows if row.queued_at is None])
    tx.carried |= {row.id for row in rows if row.queued_at is None and row.id in inside}
    return sorted({agent_queue(row.agent) for row in rows})


def _job(
    tx: Transaction, execution: Execution, task: Row[Any], inside: Collection[str]
) -> dict[str, Any]:
    return {
        "id": task.id,
        "kind": "attempt",
        "execution_id": execution.id,
        "task_id": task.id,
        "queue": agent_queue(task.agent),
        "status": JobState.QUEUED,
        "priority": task.priority,
        "hinted_at": tx.now if task.id in inside else None,
        "payload": {},
        "created_at": tx.now,
    }


def _within_limits(tx: Transaction, execution: Execution, phase: int) -> Sequence[Row[Any]]:
    per_agent = limits(tx, execution)
    if execution.concurrency is None and not per_agent:
        return tasks.ready(tx, execution.id, phase, BATCH)
    flying = tasks.in_flight(tx, execution.id)
    room = BATCH
    if execution.concurrency is not None:
        room = min(BATCH, execution.concurrency - sum(flying.values()))
    left = {agent: limit - flying.get(agent, 0) for agent, limit in per_agent.items()}
    chosen: list[Row[Any]] = []
    while room > 0:
        full = [agent for agent, free in left.items() if free <= 0]
        rows = tasks.ready(tx, execution.id, phase, room + len(chosen), without=full)
        taken = {row.id for row in chosen}
        fresh = [row for row in rows if row.id not in taken]
        accepted: list[Row[Any]] = []
        for row in fresh:
            if left.get(row.agent, 1) > 0 and len(accepted) < room:
                accepted.append(row)
                if row.agent in left:
                    left[row.agent] -= 1
        chosen += accepted
        room -= len(accepted)
        # Done when nothing was left out for its agent's limit: what remains can't be taken.
        if len(accepted) == len(fresh) or not accepted:
            break
    return chosen


def limits(tx: Transaction, execution: Execution) -> dict[str, int]:
    """How many tasks of an agent an execution may have queued or active at once, where limited."""
    agents = workflows.agents_of(tx, execution.workflow_version)
    return {name: spec.concurrency for name, spec in agents.items() if spec.concurrency is not None}
