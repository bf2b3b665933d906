"""Agents: what each can do, and which workers serve it now."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from conductor_app import catalog
from conductor_app.domain.workflow import AgentSpec
from conductor_app.engine.dispatch import SILENCE
from conductor_app.queue import agent_queue
from conductor_app.store import jobs, workflows
from conductor_app.store import workers as worker_rows
from conductor_app.store.database import Transaction


def agents(tx: Transaction, known: Mapping[str, AgentSpec]) -> list[dict[str, Any]]:
    """Each agent with its capabilities by phase and its health."""
    workers = worker_rows.fresh(tx, SILENCE)
    told = _told(workers)
    return [
        {**_item(spec, told.get(spec.function or "")), "health": _health(tx, spec.name, workers)}
        for spec in known.values()
    ]


def known(tx: Transaction) -> dict[str, AgentSpec]:
    """The built-in agents, those that only workflows have (as the newest version has them), and
    those that are installed where workers run."""
    found = dict(catalog.AGENTS)
    for name in sorted(workflows.names(tx)):
        newest = workflows.newest(tx, name)
        assert newest is not None
        for agent, spec in workflows.agents_of(tx, newest.version).items():
            found.setdefault(agent, spec)
    for entry, said in _told(worker_rows.fresh(tx, SILENCE)).items():
        # A class (`module:Class`) is some workflow's, under the name that it has there.
        if ":" not in entry and all(spec.function != entry for spec in found.values()):
            # Its name is its package's to choose, so nothing is demanded of it here.
            own = AgentSpec.model_construct(name=entry, title=said["title"], function=entry)
            found.setdefault(entry, own)
    return found


def _told(workers: Sequence[Row[Any]]) -> dict[str, dict[str, Any]]:
    """By function, what agents say of themselves where workers run."""
    return {name: said for row in workers for name, said in (row.agents or {}).items()}


def health(tx: Transaction, agent: str) -> dict[str, Any]:
    """Whether workers consume the agent's queue (`state` is up or down), and which."""
    return _health(tx, agent, worker_rows.fresh(tx, SILENCE))


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


def _item(spec: AgentSpec, told: Mapping[str, Any] | None) -> dict[str, Any]:
    """As its specification has it, with what the agent itself says that it can do."""
    skills = [*spec.skills, *(told["skills"] if told else ())]
    capabilities = {str(phase): list(each) for phase, each in spec.capabilities.items()}
    for phase, said in (told["capabilities"] if told else {}).items():
        capabilities[phase] = list(dict.fromkeys([*capabilities.get(phase, []), *said]))
    return {
        "name": spec.name,
        "shown_as": f"agent-{spec.name}",
        "title": spec.title or (told["title"] if told else ""),
        "depends_on": list(spec.depends_on),
        "priority": spec.priority,
        "base_seconds": spec.base_seconds,
        "multipliers": {str(phase): factor for phase, factor in spec.multipliers.items()},
        "capabilities": capabilities,
        "skills": list(dict.fromkeys(skills)),
        "connector": spec.connector,
        "concurrency": spec.concurrency,
        "function": spec.function,
    }
