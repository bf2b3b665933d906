"""The report of an execution: what was done, what proves it, what it took and cost."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Row

from conductor_app.domain.workflow import PhaseSpec
from conductor_app.engine.figures import Figures, figures
from conductor_app.store import workflows
from conductor_app.store.database import Transaction
from conductor_app.views import connectors, items, lessons, signals, usage
from conductor_app.views.bill import bill
from conductor_app.views.current import execution as find
from conductor_app.views.metrics import metrics
from conductor_app.views.report_text import markdown
from conductor_app.views.reported import Reported, read
from conductor_app.views.units import between, iso

__all__ = ["markdown", "report"]

Item = dict[str, Any]
# The states of attempts that ended without a result, and with nothing to be done again.
GONE_ON = ("released", "suspended")


def report(
    tx: Transaction,
    execution_id: str,
    default_connector: str = connectors.REPLAY,
    recorded: Collection[str] | None = None,
) -> Item:
    """Everything in plain values; times in ISO 8601, `seconds`, costs as decimal strings of USD.

    The connector and the tasks that are `recorded` are the installation's. Raises NotFound.
    """
    row = find(tx, execution_id)
    known = figures(tx, row)
    found = read(tx, row, default_connector, recorded)
    workflow = workflows.of_version(tx, row.workflow_version)
    return {
        "execution": _execution(tx, known, workflow.title, found),
        "totals": _totals(known, found, usage.total(tx, *usage.of(row.id))),
        "bill": bill(tx, row.id),
        "phases": [_phase(known, found, phase) for phase in workflow.phases],
        "commits": _commits(found),
        "agents": metrics(tx, row.id),
        "checkpoints": [items.checkpoint(each) for each in found.checkpoints],
        "errors": [items.error(each) for each in found.errors],
        "lessons": [
            each
            for each in lessons.get_lessons(tx, row.project_id)
            if each["id"] in found.lesson_ids
        ],
        "proposed_lessons": lessons.proposed(tx, row.id),
        "signals": signals.of_execution(tx, row.id),
    }


def _execution(tx: Transaction, known: Figures, title: str, found: Reported) -> Item:
    row = known.execution
    names = {
        name
        for number, each in found.connectors.items()
        if number <= row.target_phase
        for name in each
    }
    return {
        **items.execution(row),
        "title": title,
        "connector": ", ".join(sorted(names)),
        # All of it; what of it came from recordings.
        "replay": connectors.only_replayed(found.connectors, row.target_phase),
        "replayed": connectors.replayed(found.connectors, row.target_phase),
        "overall_progress": round(known.overall, 4),
        "eta": iso(known.eta(tx.now)),
        "seconds": between(row.started_at, row.finished_at or tx.now) if row.started_at else None,
        "reported_at": iso(tx.now),
    }


def _totals(known: Figures, found: Reported, ledger: Item) -> Item:
    statuses = Counter({status: known.count(status) for _, status in known.tasks})
    tries = [each for tries in found.attempts.values() for each in tries]
    replayed = found.replayed_attempts()
    recorded = [each for each in tries if each.id in replayed]
    mixed = not connectors.only_replayed(found.connectors, known.execution.target_phase)
    paid = [each for each in tries if each.id not in replayed] if mixed else tries
    return {
        "tasks": {"total": sum(statuses.values()), **dict(sorted(statuses.items()))},
        "attempts": len(tries),
        "retries": sum(_retries(tries) for tries in found.attempts.values()),
        "usage": _used(paid, ledger),
        # What recordings count for their turns; nobody has spent it.
        "replayed_usage": items.usage_of(recorded),
        "remarks": usage.remarks(ledger),
        "working_seconds": _working(tries),
    }


def _used(tries: Sequence[Row[Any]], ledger: Item) -> Item:
    """By the ledger, which also knows of reviews and of lost calls; else as attempts told it."""
    told = items.usage_of(tries)
    return (
        told | {name: ledger[name] for name in told if name in ledger} if ledger["calls"] else told
    )


def _working(tries: Sequence[Row[Any]]) -> float:
    """The seconds of all attempts that have ended, one after the other."""
    known = [between(each.started_at, each.finished_at) for each in tries]
    return round(sum(each for each in known if each is not None), 3)


def _retries(tries: Sequence[Row[Any]]) -> int:
    """Attempts beyond the first; those that were given back or waited, and went on, don't count."""
    return max(0, len([each for each in tries if each.status not in GONE_ON]) - 1)


def _phase(known: Figures, found: Reported, spec: PhaseSpec) -> Item:
    number = spec.number
    row = found.phases.get(number)
    inside = number <= known.execution.target_phase
    return {
        "number": number,
        "name": spec.name,
        "goal": spec.goal,
        "inside": inside,
        "status": row.status if row is not None else None,
        "progress": round(known.progress(number), 4) if inside else 0.0,
        "connectors": found.connectors[number],
        "recorded": found.recorded[number],
        "started_at": iso(row.started_at) if row is not None else None,
        "completed_at": iso(row.completed_at) if row is not None else None,
        "seconds": between(row.started_at, row.completed_at) if row is not None else None,
        "milestones": [
            {**items.milestone(each), "checks": found.judged("milestone", each.key)}
            for each in found.milestones
            if each.phase == number
        ],
        "exit_criteria": found.judged("exit", f"phase/{number}"),
        "tests": found.judged("test", f"phase/{number}"),
        "tasks": [_task(each, found) for each in found.tasks if each.phase == number],
    }


def _task(row: Row[Any], found: Reported) -> Item:
    tries = found.attempts.get(row.key, [])
    return {
        **items.task(row),
        "retries": _retries(tries),
        "usage": items.usage_of(tries),
        "attempts": [_attempt(row, each, found) for each in tries],
    }


def _attempt(task: Row[Any], row: Row[Any], found: Reported) -> Item:
    return {
        **items.attempt(row),
        "connector": row.connector or found.connector_of(task.phase, task.agent),
        "checks": found.judged_attempt(row.id),
    }


def _commits(found: Reported) -> list[Item]:
    """The commits of tasks on the execution branch, in the order in which they got there.

    The work of a generation that was `replaced` stays in the branch's history.
    """
    return [
        {
            "commit": each.commit,
            "task": each.key,
            "title": each.title,
            "agent": each.agent,
            "generation": each.generation,
            "replaced": not each.current,
            "at": iso(each.finished_at),
        }
        for each in found.committed
    ]
