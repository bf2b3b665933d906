"""Which hints go out now: per queue a window of about twice its slots, in the database's order."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row

from conductor_app.domain import graph
from conductor_app.queue import ISOLATED_QUEUE, SYSTEM_QUEUE, Hint
from conductor_app.store import hints, jobs, needs
from conductor_app.store import workers as worker_rows
from conductor_app.store.database import Transaction

# A worker that was not heard of for this long (ms) counts no slots.
SILENCE = 30_000
# Without any worker known a few hints wait for the first one.
FEWEST = 4
CHAIN_LIMIT = 32


def top_up(tx: Transaction, queues: Iterable[str]) -> None:
    """Send what fits in each queue's window.

    The last thing that a transaction does: it locks rows of other executions.
    """
    slots: dict[str, int] | None = None
    for queue in sorted(set(queues)):
        waiting = hints.sharers(tx, queue)
        if not waiting:
            continue
        if slots is None:
            slots = slots_of(worker_rows.fresh(tx, SILENCE))
        window = _window(tx, queue, slots.get(queue, 0))
        room = window - hints.count(tx, queue)
        # Filled up when it is half empty: many hints cost little more than one.
        enough = 1 if queue in (SYSTEM_QUEUE, ISOLATED_QUEUE) else window // 2
        if room >= max(1, enough):
            _send(tx, queue, waiting, room)


def slots_of(workers: Iterable[Row[Any]]) -> dict[str, int]:
    """How many jobs of each queue could run at once on these workers."""
    slots: dict[str, int] = {}
    for worker in workers:
        for queue in worker.queues:
            slots[queue] = slots.get(queue, 0) + worker.slots
    return slots


def _window(tx: Transaction, queue: str, slots: int) -> int:
    if queue == SYSTEM_QUEUE:
        # One slot is always left for the tick, which comes by the same queue.
        return max(1, slots - 1) - jobs.active(tx, queue)
    if queue == ISOLATED_QUEUE:
        return 1 - jobs.active(tx, queue)
    return max(FEWEST, 2 * slots)


def _send(tx: Transaction, queue: str, waiting: Sequence[Row[Any]], room: int) -> None:
    picked = _pick(tx, queue, waiting, room)
    if not picked:
        return
    hints.mark(tx, [row.id for row in picked])
    chains = _chains(tx, picked) if queue not in (SYSTEM_QUEUE, ISOLATED_QUEUE) else {}
    tx.hints.extend(Hint(queue, row.priority, chains.get(row.id, (row.id,))) for row in picked)


def _pick(tx: Transaction, queue: str, waiting: Sequence[Row[Any]], room: int) -> list[Row[Any]]:
    """Fair between executions by their weights, by priority within one."""
    candidates = {
        share.execution_id: (
            share,
            list(hints.next_unhinted(tx, queue, share.execution_id, room)),
        )
        for share in waiting
    }
    times = {id_: share.virtual_time for id_, (share, _) in candidates.items()}
    picked: list[Row[Any]] = []
    while len(picked) < room:
        able = [id_ for id_, (_, rows) in candidates.items() if rows]
        if not able:
            break
        id_ = min(able, key=lambda each: (times[each], each))
        share, rows = candidates[id_]
        picked.append(rows.pop(0))
        times[id_] += 1 / share.weight
    for id_, (share, _) in candidates.items():
        if times[id_] != share.virtual_time:
            hints.charge(tx, id_, times[id_])
    return picked


def _chains(tx: Transaction, heads: Sequence[Row[Any]]) -> dict[str, tuple[str, ...]]:
    """The chain that each head begins: successors of the same agent that wait for nothing else."""
    chains: dict[str, tuple[str, ...]] = {}
    by_execution: dict[str, list[Row[Any]]] = {}
    # A review is on an agent's queue as well, and is no link of a chain.
    for head in (each for each in heads if each.task_id is not None):
        by_execution.setdefault(head.execution_id, []).append(head)
    for execution_id, rows in by_execution.items():
        chains.update(_chains_in(tx, execution_id, rows))
    return chains


def _chains_in(
    tx: Transaction, execution_id: str, rows: Sequence[Row[Any]]
) -> dict[str, tuple[str, ...]]:
    """By head, its chain of job ids; a waiting task's job will have the task's own id."""
    agent_of = {row.key: row.agent for row in rows}
    id_of = {row.key: row.id for row in rows}
    unmet: dict[str, frozenset[str]] = {}
    heads = list(agent_of)
    for row in needs.ahead(tx, execution_id, heads, CHAIN_LIMIT - 1):
        unmet[row.key] = frozenset({row.need_key})
        agent_of[row.key], id_of[row.key] = row.agent, row.id
    found = graph.chains(heads, agent_of, unmet, CHAIN_LIMIT)
    return {id_of[chain.links[0]]: tuple(id_of[key] for key in chain.links) for chain in found}
