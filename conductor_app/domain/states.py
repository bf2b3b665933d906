"""Every state and every allowed transition, once, as data; the README's diagram comes from here."""

from collections.abc import Mapping
from enum import StrEnum


class ExecutionState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class PhaseState(StrEnum):
    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    VALIDATING = "validating"
    COMPLETED = "completed"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"
    SKIPPED = "skipped"


class TaskState(StrEnum):
    WAITING = "waiting"
    QUEUED = "queued"
    ACTIVE = "active"
    INTEGRATING = "integrating"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"


class JobState(StrEnum):
    QUEUED = "queued"
    ACTIVE = "active"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    QUARANTINED = "quarantined"
    CANCELLED = "cancelled"


class AttemptState(StrEnum):
    ACTIVE = "active"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"
    RELEASED = "released"
    # It waits without a worker; the next attempt goes on where it stopped.
    SUSPENDED = "suspended"
    CANCELLED = "cancelled"


class MilestoneState(StrEnum):
    PENDING = "pending"
    VALIDATING = "validating"
    COMPLETED = "completed"
    FAILED = "failed"
    SUPERSEDED = "superseded"


class Verdict(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class DecisionState(StrEnum):
    """Withdrawn: its task ended, or began anew, before anybody had answered."""

    PENDING = "pending"
    ANSWERED = "answered"
    WITHDRAWN = "withdrawn"


class LessonState(StrEnum):
    """Recorded: Conductor's own. A proposed one is an agent's, and waits for a person."""

    RECORDED = "recorded"
    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class PauseReason(StrEnum):
    PERSON = "person"
    GATE = "gate"
    BUDGET_EXHAUSTED = "budget_exhausted"
    BLOCKED = "blocked"
    # Cancelled, but for commits that are on their way to the branch.
    CANCELLING = "cancelling"


EXECUTION: Mapping[str, frozenset[str]] = {
    "pending": frozenset({"running", "cancelled"}),
    "running": frozenset({"paused", "completed", "failed", "cancelled"}),
    "paused": frozenset({"running", "failed", "cancelled"}),
    "completed": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
}

PHASE: Mapping[str, frozenset[str]] = {
    "pending": frozenset({"in_progress", "skipped", "rolled_back"}),
    # Validation found something wrong: the phase goes back to work.
    "in_progress": frozenset({"validating", "failed", "rolled_back"}),
    "validating": frozenset({"in_progress", "completed", "failed", "rolled_back"}),
    "completed": frozenset({"rolled_back"}),
    "failed": frozenset({"rolled_back"}),
    "rolled_back": frozenset(),
    "skipped": frozenset({"rolled_back"}),
}

TASK: Mapping[str, frozenset[str]] = {
    "waiting": frozenset({"queued", "skipped", "cancelled", "superseded"}),
    # A task that is queued goes back to waiting only when something it needs is opened again.
    "queued": frozenset({"active", "waiting", "failed", "skipped", "cancelled", "superseded"}),
    # Queued again: a retry, a wait, a lost lease, a worker that drained.
    "active": frozenset(
        {"integrating", "completed", "queued", "failed", "skipped", "cancelled", "superseded"}
    ),
    # Queued again: a conflict, or a commit that can't be read.
    "integrating": frozenset({"completed", "queued", "failed", "cancelled", "superseded"}),
    "completed": frozenset(),
    "failed": frozenset(),
    "skipped": frozenset(),
    "cancelled": frozenset(),
    "superseded": frozenset(),
}

JOB: Mapping[str, frozenset[str]] = {
    "queued": frozenset({"active", "cancelled", "failed"}),
    "active": frozenset({"succeeded", "failed", "queued", "quarantined", "cancelled"}),
    "succeeded": frozenset(),
    "failed": frozenset(),
    "quarantined": frozenset(),
    "cancelled": frozenset(),
}

ATTEMPT: Mapping[str, frozenset[str]] = {
    "active": frozenset({"succeeded", "failed", "lost", "released", "suspended", "cancelled"}),
    "succeeded": frozenset(),
    "failed": frozenset(),
    "lost": frozenset(),
    "released": frozenset(),
    "suspended": frozenset(),
    "cancelled": frozenset(),
}

MILESTONE: Mapping[str, frozenset[str]] = {
    "pending": frozenset({"validating", "completed", "superseded"}),
    "validating": frozenset({"pending", "completed", "failed", "superseded"}),
    "completed": frozenset({"pending", "superseded"}),
    "failed": frozenset({"pending", "superseded"}),
    "superseded": frozenset(),
}

TABLES: Mapping[str, Mapping[str, frozenset[str]]] = {
    "execution": EXECUTION,
    "phase": PHASE,
    "task": TASK,
    "job": JOB,
    "attempt": ATTEMPT,
    "milestone": MILESTONE,
}

NEED_MET = frozenset({TaskState.COMPLETED, TaskState.SKIPPED})
TASK_ENDED = frozenset(state for state, after in TASK.items() if not after)
EXECUTION_ENDED = frozenset(state for state, after in EXECUTION.items() if not after)
# No result, and no failure either: the next attempt may go on with what such a one has left.
UNFINISHED_ATTEMPT = (AttemptState.LOST, AttemptState.RELEASED, AttemptState.SUSPENDED)
# What agents are told.
LESSON_COUNTS = frozenset({LessonState.RECORDED, LessonState.ACCEPTED})
# What counts against the concurrency of an execution or an agent.
TASK_IN_FLIGHT = frozenset({TaskState.QUEUED, TaskState.ACTIVE, TaskState.INTEGRATING})


def allowed(kind: str, before: str, after: str) -> bool:
    """Whether a row of this kind may go from one state to the other."""
    return after in TABLES[kind].get(before, frozenset())
