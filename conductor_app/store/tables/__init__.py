"""Every table, with the invariants that the database itself keeps.

Times are milliseconds since 1970 (UTC), money is nano-USD. `current` marks the newest generation of
a row whose history is kept. Partial indexes name only unfinished rows, so the tick costs the same
however much is finished.
"""

from conductor_app.store.tables.base import metadata
from conductor_app.store.tables.conditions import (
    CURRENT_MILESTONE,
    CURRENT_PHASE,
    CURRENT_TASK,
    FLYING_TASK,
    OPEN_EXECUTION,
    OPEN_JOB,
    PENDING_DECISION,
    STUCK_TASK,
)
from conductor_app.store.tables.execution import executions, projects, shares, workflow_versions
from conductor_app.store.tables.history import errors, events, lessons, progress, streams
from conductor_app.store.tables.people import decisions, signals
from conductor_app.store.tables.plan import milestones, phases, task_needs, tasks
from conductor_app.store.tables.service import idempotency_keys, leases, workers
from conductor_app.store.tables.spending import budgets, reservations, usage
from conductor_app.store.tables.work import attempts, check_results, checkpoints, jobs

__all__ = [
    "CURRENT_MILESTONE",
    "CURRENT_PHASE",
    "CURRENT_TASK",
    "FLYING_TASK",
    "OPEN_EXECUTION",
    "OPEN_JOB",
    "PENDING_DECISION",
    "STUCK_TASK",
    "attempts",
    "budgets",
    "check_results",
    "checkpoints",
    "decisions",
    "errors",
    "events",
    "executions",
    "idempotency_keys",
    "jobs",
    "leases",
    "lessons",
    "metadata",
    "milestones",
    "phases",
    "progress",
    "projects",
    "reservations",
    "shares",
    "signals",
    "streams",
    "task_needs",
    "tasks",
    "usage",
    "workers",
    "workflow_versions",
]
