"""The dashboard: document 000's eight sections in one look at an execution."""

from collections.abc import Sequence
from typing import Any

import psutil
from sqlalchemy import Row, select

from conductor_app.domain.states import MilestoneState, TaskState
from conductor_app.engine.advancing import next_step
from conductor_app.engine.dispatch import SILENCE
from conductor_app.engine.figures import AT_WORK, NOT_YET, Figures, figures
from conductor_app.store import decisions, tables, workflows
from conductor_app.store import workers as worker_rows
from conductor_app.store.database import Transaction
from conductor_app.views import budgets, connectors, items
from conductor_app.views.current import execution as find
from conductor_app.views.dashboard_text import markdown
from conductor_app.views.estimates import estimates
from conductor_app.views.estimates import shown as shown_estimates
from conductor_app.views.lessons import get_lessons
from conductor_app.views.machine import Processors
from conductor_app.views.metrics import metrics
from conductor_app.views.units import between, iso, shown

__all__ = ["dashboard", "markdown"]

Item = dict[str, Any]

RECENT_MILESTONES = 10
RECENT_LESSONS = 5
RECENT_ERRORS = 10
# Tasks that are named one by one; the others are counted.
TASKS_NAMED = 50
_processors = Processors()


def dashboard(
    tx: Transaction, execution_id: str, default_connector: str = connectors.REPLAY
) -> Item:
    """All sections in plain values; fractions from 0 to 1, times in ISO 8601. Raises NotFound."""
    row = find(tx, execution_id)
    known = figures(tx, row)
    return {
        "execution": _execution(tx, known, default_connector),
        "system_health": _health(tx),
        "current_phase": _current_phase(tx, known),
        "overall_progress": _overall(tx, known),
        "active_agents": _agents(tx, known),
        "recent_milestones": _milestones(known),
        "tasks_overview": _tasks(tx, known),
        "recent_lessons": get_lessons(tx, row.project_id, newest=RECENT_LESSONS)[::-1],
        "recent_errors": [items.error(each) for each in _errors(tx, row.id)],
    }


def _execution(tx: Transaction, known: Figures, default_connector: str) -> Item:
    row = known.execution
    kept = ("id", "project", "status", "reason", "reason_detail", "branch")
    of_phase = connectors.of_phases(tx, row, default_connector)
    return {
        **{name: getattr(row, name) for name in kept},
        "next_step": next_step(row, known.current),
        "pending_decisions": decisions.count_pending(tx, row.id),
        "workflow": row.workflow_name,
        "connector": connectors.label(tx, row, default_connector),
        "replay": connectors.only_replayed(of_phase, row.target_phase),
        "replayed": connectors.replayed(of_phase, row.target_phase),
        "budget": budgets.in_short(tx, row.id),
        "started_at": iso(row.started_at),
        "finished_at": iso(row.finished_at),
        "seconds": between(row.started_at, row.finished_at or tx.now),
        "shown_at": iso(tx.now),
    }


def _health(tx: Transaction) -> Item:
    """The pool and this machine: `uptime` (s) of the oldest worker, shares in use.

    `status` is healthy, or idle without any worker: nothing can move then.
    """
    workers = worker_rows.fresh(tx, SILENCE)
    memory = psutil.virtual_memory()
    oldest = min((row.started_at for row in workers), default=None)
    return {
        "status": "healthy" if workers else "idle",
        "uptime": between(oldest, tx.now),
        "memory": {
            "used_bytes": memory.total - memory.available,
            "total_bytes": memory.total,
            "used": round(memory.percent / 100, 4),
        },
        "cpu": round(_processors.busy(), 4),
        "connections": len(workers),
        "slots": sum(row.slots for row in workers),
    }


def _current_phase(tx: Transaction, known: Figures) -> Item:
    row = known.current
    spec = workflows.of_version(tx, known.execution.workflow_version).phase(row.number)
    return {
        "number": row.number,
        "name": row.name,
        "description": spec.goal,
        "status": row.status,
        "progress": round(known.progress(row.number), 4),
        "required_agents": [shown(agent) for agent in spec.required_agents],
        "milestones": [
            {"key": each.key, "name": each.name, "status": each.status}
            for each in known.milestones
            if each.phase == row.number
        ],
        "exit_criteria": [each.name for each in spec.exit_criteria],
        "next_step": spec.next_step,
    }


def _overall(tx: Transaction, known: Figures) -> Item:
    return {
        "progress": round(known.overall, 4),
        "phases": [
            {
                "number": row.number,
                "name": row.name,
                "status": row.status,
                "progress": round(known.progress(row.number), 4),
            }
            for row in known.phases
        ],
        "eta": iso(known.eta(tx.now)),
        "estimates": shown_estimates(estimates(tx, known.execution)),
    }


def _agents(tx: Transaction, known: Figures) -> list[Item]:
    """Every agent that has tasks; `active` when it is at one now."""
    of_agent = metrics(tx, known.execution.id)
    at_work = known.agents(*AT_WORK)
    return [
        {
            "agent": shown(agent),
            "active": agent in at_work,
            "tasks": sum(n for (name, _), n in known.tasks.items() if name == agent),
            **of_agent[shown(agent)],
        }
        for agent in sorted({agent for agent, _ in known.tasks})
    ]


def _milestones(known: Figures) -> list[Item]:
    done = [each for each in known.milestones if each.status == MilestoneState.COMPLETED]
    done.sort(key=lambda each: each.completed_at, reverse=True)
    return [
        {
            "key": each.key,
            "name": each.name,
            "phase": each.phase,
            "completed_at": iso(each.completed_at),
        }
        for each in done[:RECENT_MILESTONES]
    ]


def _tasks(tx: Transaction, known: Figures) -> Item:
    table = tables.tasks
    statement = (
        select(table.c.key, table.c.title, table.c.agent, table.c.status)
        .where(
            table.c.execution_id == known.execution.id,
            table.c.current,
            table.c.status.in_((*AT_WORK, TaskState.FAILED)),
        )
        .order_by(table.c.status, table.c.position)
        .limit(TASKS_NAMED)
    )
    return {
        "active": known.count(*AT_WORK),
        "completed": known.count(TaskState.COMPLETED),
        "failed": known.count(TaskState.FAILED),
        "waiting": known.count(*NOT_YET),
        "skipped": known.count(TaskState.SKIPPED),
        "cancelled": known.count(TaskState.CANCELLED),
        "total": sum(known.tasks.values()),
        "named": [
            {"key": row.key, "title": row.title, "agent": shown(row.agent), "status": row.status}
            for row in tx.all(statement)
        ],
    }


def _errors(tx: Transaction, execution_id: str) -> Sequence[Row[Any]]:
    table = tables.errors
    return tx.all(
        select(table)
        .where(table.c.execution_id == execution_id)
        .order_by(table.c.created_at.desc(), table.c.id.desc())
        .limit(RECENT_ERRORS)
    )
