"""Agents: what each can do, and which workers serve it now."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from conductor_app.domain.workflow import AgentSpec
from conductor_app.engine.dispatch import SILENCE
from conductor_app.queue import agent_queue
from conductor_app.store import jobs
from conductor_app.store.database import Transaction


def agents(tx: Transaction, known: Mapping[str, AgentSpec]) -> list[dict[str, Any]]:
    """Each agent with its capabilities by phase and its health."""
    workers = jobs.fresh_workers(tx, SILENCE)
    return [{**_item(spec), "health": _health(tx, spec.name, workers)} for spec in known.values()]


def health(tx: Transaction, agent: str) -> dict[str, Any]:
    """Whether workers consume the agent's queue (`state` is up or down), and which."""
    return _health(tx, agent, jobs.fresh_workers(tx, SILENCE))


def _health(tx: Transaction, agent: str, workers: Sequence[Row[Any]]) -> dict[str, Any]:
    queue = agent_queue(agent)
    consuming = [row for row in workers if queue in row.queues]
    return {
        "state": "up" if consuming else "down",
        "queue": queue,
        "workers": [row.id for row in consuming],
        "slots": sum(row.slots for row in consuming),
        "active_jobs": jobs.active(tx, queue),
    }


def _item(spec: AgentSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "shown_as": f"agent-{spec.name}",
        "title": spec.title,
        "depends_on": list(spec.depends_on),
        "priority": spec.priority,
        "base_seconds": spec.base_seconds,
        "multipliers": {str(phase): factor for phase, factor in spec.multipliers.items()},
        "capabilities": {str(phase): list(each) for phase, each in spec.capabilities.items()},
        "skills": list(spec.skills),
        "connector": spec.connector,
        "concurrency": spec.concurrency,
        "function": spec.function,
    }
