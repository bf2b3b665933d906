"""Rows as items: the fields under which each thing is shown, wherever it is shown."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row

from conductor_app.views.units import between, iso, usd

Item = dict[str, Any]


def project(row: Row[Any]) -> Item:
    return {
        "id": row.id,
        "name": row.name,
        "location": row.location,
        "settings": row.settings,
        "created_at": iso(row.created_at),
        "archived_at": iso(row.archived_at),
    }


def workflow(row: Row[Any]) -> Item:
    return {
        "version": row.version,
        "name": row.name,
        "source": row.source,
        "created_at": iso(row.created_at),
    }


def execution(row: Row[Any]) -> Item:
    """`connector` is the one chosen for the whole execution, None where each agent has its own."""
    kept = (
        "id",
        "project_id",
        "project",
        "workflow_version",
        "status",
        "reason",
        "reason_detail",
        "driver",
        "mode",
        "connector",
        "inputs",
        "replay_before",
        "auto_advance",
        "concurrency",
        "branch",
        "base_commit",
        "tip",
        "target_phase",
        "current_phase",
    )
    return {
        **{name: getattr(row, name) for name in kept},
        "workflow": row.workflow_name,
        "created_at": iso(row.created_at),
        "started_at": iso(row.started_at),
        "finished_at": iso(row.finished_at),
        "updated_at": iso(row.updated_at),
    }


def phase(row: Row[Any]) -> Item:
    return {
        "id": row.id,
        "execution_id": row.execution_id,
        "number": row.number,
        "name": row.name,
        "generation": row.generation,
        "current": row.current,
        "status": row.status,
        "verdict": row.verdict,
        "total_tasks": row.total_tasks,
        "open_tasks": row.open_tasks,
        "started_at": iso(row.started_at),
        "completed_at": iso(row.completed_at),
        "seconds": between(row.started_at, row.completed_at),
    }


def milestone(row: Row[Any]) -> Item:
    return {
        "id": row.id,
        "execution_id": row.execution_id,
        "key": row.key,
        "name": row.name,
        "phase": row.phase,
        "generation": row.generation,
        "current": row.current,
        "status": row.status,
        "open_tasks": row.open_tasks,
        "judged_commit": row.judged_commit,
        "completed_at": iso(row.completed_at),
    }


def task(row: Row[Any]) -> Item:
    kept = (
        "id",
        "execution_id",
        "key",
        "generation",
        "current",
        "phase",
        "agent",
        "title",
        "milestone",
        "status",
        "priority",
        "files",
        "failures",
        "commit",
        "summary",
        "replaced_by",
        "error_kind",
        "error_message",
    )
    return {
        **{name: getattr(row, name) for name in kept},
        "created_at": iso(row.created_at),
        "queued_at": iso(row.queued_at),
        "started_at": iso(row.started_at),
        "finished_at": iso(row.finished_at),
        "seconds": between(row.started_at, row.finished_at),
    }


def attempt(row: Row[Any]) -> Item:
    """An attempt of a row that has its task's key as `task_key`, and its `generation`, each of
    which numbers its own."""
    kept = (
        "id",
        "execution_id",
        "task_id",
        "task_key",
        "generation",
        "number",
        "round",
        "worker_id",
        "status",
        "connector",
        "sandbox",
        "commit",
        "tree",
        "kept",
        "error_kind",
        "error_message",
    )
    return {
        **{name: getattr(row, name) for name in kept},
        "usage": usage_of([row]),
        "started_at": iso(row.started_at),
        "finished_at": iso(row.finished_at),
        "seconds": between(row.started_at, row.finished_at),
    }


def usage_of(attempts: Iterable[Row[Any]]) -> Item:
    """Turns, tokens and cost of attempts together; the cost is a decimal string of USD."""
    counted = ("turns", "input_tokens", "output_tokens", "cache_read_tokens", "cost_nano_usd")
    sums = dict.fromkeys(counted, 0)
    for row in attempts:
        for name in counted:
            sums[name] += getattr(row, name)
    cost = sums.pop("cost_nano_usd")
    return {**sums, "cost_usd": usd(cost)}


def check(row: Row[Any]) -> Item:
    kept = ("id", "execution_id", "phase", "role", "subject", "job_id", "attempt_id", "name")
    return {
        **{name: getattr(row, name) for name in (*kept, "kind", "verdict", "message", "evidence")},
        "created_at": iso(row.created_at),
    }


def checkpoint(row: Row[Any]) -> Item:
    return {
        "id": row.id,
        "execution_id": row.execution_id,
        "phase": row.phase,
        "tag": row.tag or None,
        "commit": row.commit,
        "created_at": iso(row.created_at),
    }


def event(row: Row[Any]) -> Item:
    return {
        "position": row.position,
        "stream": row.stream,
        "number": row.number,
        "type": row.type,
        "at": iso(row.at),
        "payload": row.payload,
    }


def error(row: Row[Any]) -> Item:
    kept = ("id", "execution_id", "phase", "agent", "task_key", "severity", "kind", "message")
    return {
        **{name: getattr(row, name) for name in (*kept, "detail")},
        "created_at": iso(row.created_at),
        "resolved_at": iso(row.resolved_at),
    }


def worker(row: Row[Any], now: int, silence: int) -> Item:
    """A worker; `heard` says whether it told of itself within the last `silence` milliseconds.

    One that should have and did not, killed for instance, is `lost`, as attempts are.
    """
    heard = row.status == "up" and now - row.seen_at <= silence
    return {
        "id": row.id,
        "host": row.host,
        "pid": row.pid,
        "role": row.role,
        "queues": row.queues,
        "slots": row.slots,
        "sandbox": row.sandbox,
        "status": "lost" if row.status == "up" and not heard else row.status,
        "heard": heard,
        "started_at": iso(row.started_at),
        "seen_at": iso(row.seen_at),
    }
