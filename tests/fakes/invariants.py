"""The invariants of the engine, judged from its rows alone."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row, select

from conductor_app.domain import events as chain
from conductor_app.domain.budget import Place
from conductor_app.domain.states import (
    EXECUTION_ENDED,
    NEED_MET,
    TASK_ENDED,
    allowed,
)
from conductor_app.store.database import Transaction
from conductor_app.store.tables import (
    attempts,
    budgets,
    decisions,
    events,
    executions,
    jobs,
    milestones,
    phases,
    reservations,
    task_needs,
    tasks,
    usage,
)
from tests.fakes.engine import SECRET, Engine

FOLDED = {"execution": executions, "phase": phases, "milestone": milestones, "task": tasks}


def hold(engine: Engine) -> None:
    """Assert every invariant that must stand after every committed transaction."""
    with engine.reading() as tx:
        _events_tell_all(tx)
        _counters_are_true(tx)
        _work_matches_states(tx)
        _nothing_early(tx)
        _nothing_overspent(tx)


def _events_tell_all(tx: Transaction) -> None:
    """I5 and I6: numbered, chained, each move from where the row was, the fold is the rows."""
    streams: dict[str, list[chain.StoredEvent]] = defaultdict(list)
    for row in tx.all(select(events).order_by(events.c.stream, events.c.number)):
        streams[row.stream].append(
            chain.StoredEvent(
                row.stream, row.number, row.type, row.at, row.payload, row.digest, row.link
            )
        )
    folded: dict[str, dict[str, str]] = defaultdict(dict)
    for stored in streams.values():
        assert chain.first_break(SECRET, stored) is None
        _moves_are_allowed(stored)
        for kind, states in chain.fold(stored).items():
            folded[kind].update(states)
    for kind, table in FOLDED.items():
        found = {row.id: row.status for row in tx.all(select(table.c.id, table.c.status))}
        assert folded[kind] == found, f"the events of {kind} tell otherwise"


def _moves_are_allowed(stored: list[chain.StoredEvent]) -> None:
    at: dict[tuple[str, str], str] = {}
    for event in stored:
        if created := event.payload.get("created"):
            for id_ in created["ids"]:
                assert (created["kind"], id_) not in at, "created twice"
                at[created["kind"], id_] = created["to"]
        if move := event.payload.get("move"):
            row = (move["kind"], move["id"])
            assert at[row] == move["from"], f"{row} was {at[row]}, and {move} is told"
            assert allowed(move["kind"], move["from"], move["to"]), move
            at[row] = move["to"]


def _counters_are_true(tx: Transaction) -> None:
    current = tx.all(select(tasks).where(tasks.c.current))
    open_ = [row for row in current if row.status not in NEED_MET]
    total = Counter((row.execution_id, row.phase) for row in current)
    by_phase = Counter((row.execution_id, row.phase) for row in open_)
    by_milestone = Counter((row.execution_id, row.milestone) for row in open_ if row.milestone)
    for row in tx.all(select(phases).where(phases.c.current)):
        where = (row.execution_id, row.number)
        assert (row.total_tasks, row.open_tasks) == (total[where], by_phase[where]), where
    for row in tx.all(select(milestones).where(milestones.c.current)):
        assert row.open_tasks == by_milestone[row.execution_id, row.key], row.key
    unmet = unmet_needs(tx)
    pending = select(decisions.c.task_id).where(decisions.c.status == "pending")
    asked = Counter(row.task_id for row in tx.all(pending))
    for row in current:
        if row.status not in TASK_ENDED:
            waits = len(unmet[row.id]) + asked[row.id]
            assert row.needs_left == waits, f"{row.key} ({row.status})"
    ended = {row.id for row in tx.all(select(tasks).where(tasks.c.status.in_(TASK_ENDED)))}
    assert not asked.keys() & ended, "a question that nobody waits for is to be decided"


def unmet_needs(tx: Transaction) -> dict[str, list[str]]:
    """By task id, the keys of what it needs that are not met by their newest generation."""
    state = {
        (row.execution_id, row.key): row.status
        for row in tx.all(select(tasks).where(tasks.c.current))
    }
    found: dict[str, list[str]] = defaultdict(list)
    for row in tx.all(select(task_needs)):
        if state[row.execution_id, row.need_key] not in NEED_MET:
            found[row.task_id].append(row.need_key)
    return found


def _work_matches_states(tx: Transaction) -> None:
    """A task's state, its jobs and its attempts say the same; I2: one winner at most."""
    open_jobs: dict[str, list[Row[Any]]] = defaultdict(list)
    for job in tx.all(select(jobs).where(jobs.c.status.in_(("queued", "active")))):
        open_jobs[job.task_id or ""].append(job)
    active = Counter(
        row.task_id for row in tx.all(select(attempts).where(attempts.c.status == "active"))
    )
    for task in tx.all(select(tasks)):
        found = sorted((job.kind, job.status) for job in open_jobs[task.id])
        assert found in _expected(task.status), f"{task.key} is {task.status} with {found}"
        assert active[task.id] == (task.status == "active"), f"{task.key} is {task.status}"
    ended = {row.id for row in tx.all(select(executions)) if row.status in EXECUTION_ENDED}
    left = [job for found in open_jobs.values() for job in found if job.execution_id in ended]
    assert not left, f"work of an ended execution: {left}"


def _expected(status: str) -> list[list[tuple[str, str]]]:
    match status:
        case "queued":
            return [[("attempt", "queued")]]
        case "active":
            return [[("attempt", "active")]]
        case "integrating":
            return [[("integrate", "active")], [("integrate", "queued")]]
        case "waiting":
            # One that was queued and went back keeps its job, parked.
            return [[], [("attempt", "queued")]]
        case _:
            return [[]]


def _nothing_early(tx: Transaction) -> None:
    """I7: what is queued has all it needs, so that nothing can start before it has."""
    unmet = unmet_needs(tx)
    for row in tx.all(select(tasks).where(tasks.c.status == "queued")):
        assert not unmet[row.id], f"{row.key} is queued and needs {unmet[row.id]}"


def _nothing_overspent(tx: Transaction) -> None:
    """I3: no cap is passed, and every budget is the sum of its calls.

    What programs have spent unasked (a soft cap) is told even where it is beyond the cap.
    """
    spent: dict[str, Counter[str]] = defaultdict(Counter)
    reserved: dict[str, Counter[str]] = defaultdict(Counter)
    soft: set[str] = set()
    for row in tx.all(select(usage)):
        for id_ in _place(row):
            spent[id_].update(tokens=row.tokens, nano_usd=row.nano_usd or 0)
            if row.reservation_id is None:
                soft.add(id_)
    for row in tx.all(select(reservations).where(reservations.c.status == "open")):
        for id_ in _place(row):
            reserved[id_].update(tokens=row.tokens, nano_usd=row.nano_usd)
    for row in tx.all(select(budgets)):
        for unit in ("tokens", "nano_usd"):
            told = (getattr(row, f"{unit}_spent"), getattr(row, f"{unit}_reserved"))
            assert told == (spent[row.id][unit], reserved[row.id][unit]), f"{unit} of {row.id}"
            cap = getattr(row, f"{unit}_cap")
            assert cap is None or row.id in soft or sum(told) <= cap, f"{unit} of {row.id}"


def _place(row: Row[Any]) -> Iterable[str]:
    return Place(row.project_id, row.execution_id, row.task_id, row.day).ids.values()


def no_dead_end(engine: Engine) -> None:
    """I1, when nothing more is delivered: ended, or waiting for a person and saying so."""
    with engine.reading() as tx:
        for row in tx.all(select(executions)):
            if row.status in EXECUTION_ENDED:
                continue
            if row.status == "paused":
                assert row.reason and row.reason_detail, "paused without a word"
                assert row.reason != "blocked" or "Way out" in row.reason_detail
                continue
            phase = tx.first(
                select(phases).where(
                    phases.c.execution_id == row.id,
                    phases.c.number == row.current_phase,
                    phases.c.current,
                )
            )
            asked = not row.auto_advance or row.driver == "guided"
            asks = asked and phase is not None and phase.verdict == "passed"
            assert asks, f"{row.status} in phase {row.current_phase}, and nothing goes on"
