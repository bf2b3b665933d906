"""What an execution has to do: phases, milestones, tasks and what these need."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from conductor_app.store.tables.base import metadata, where

phases = Table(
    "phases",
    metadata,
    Column("id", Text, primary_key=True),
    Column("execution_id", Text, ForeignKey("executions.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("current", Boolean, nullable=False),
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False),
    # Counted, not recounted: current tasks of the phase, and those not yet completed or skipped.
    Column("total_tasks", Integer, nullable=False),
    Column("open_tasks", Integer, nullable=False),
    Column("verdict", Text),
    Column("rounds", Integer, nullable=False, server_default="0"),
    # A person asked for the next phase (with automatic advance off).
    Column("advance_requested", Boolean, nullable=False, server_default=text("false")),
    Column("started_at", BigInteger),
    Column("completed_at", BigInteger),
    UniqueConstraint("execution_id", "number", "generation"),
    # One current row for a phase.
    Index("uq_phases_current", "execution_id", "number", unique=True, **where("current")),
)

milestones = Table(
    "milestones",
    metadata,
    Column("id", Text, primary_key=True),
    Column("execution_id", Text, ForeignKey("executions.id"), nullable=False),
    Column("phase", Integer, nullable=False),
    Column("key", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("current", Boolean, nullable=False),
    Column("status", Text, nullable=False),
    Column("open_tasks", Integer, nullable=False),
    Column("rounds", Integer, nullable=False, server_default="0"),
    Column("judged_commit", Text),
    Column("completed_at", BigInteger),
    UniqueConstraint("execution_id", "key", "generation"),
    Index("uq_milestones_current", "execution_id", "key", unique=True, **where("current")),
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("execution_id", Text, ForeignKey("executions.id"), nullable=False),
    Column("key", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("current", Boolean, nullable=False),
    Column("phase", Integer, nullable=False),
    Column("agent", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("milestone", Text),
    Column("status", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("files", Boolean, nullable=False),
    # How many of its needs are not yet met: 0 means ready.
    Column("needs_left", Integer, nullable=False),
    Column("failures", Integer, nullable=False, server_default="0"),
    # What the next attempt should know: earlier failures, conflicts, failed checks of the tip.
    Column("notes", JSON, nullable=False),
    Column("commit", Text),
    Column("summary", Text),
    Column("replaced_by", Text),
    Column("error_kind", Text),
    Column("error_message", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("queued_at", BigInteger),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    UniqueConstraint("execution_id", "key", "generation"),
    Index("uq_tasks_current", "execution_id", "key", unique=True, **where("current")),
    Index(
        "ix_tasks_ready",
        "execution_id",
        "phase",
        text("priority DESC"),
        "position",
        **where("status = 'waiting' AND needs_left = 0"),
    ),
    Index(
        "ix_tasks_in_flight",
        "execution_id",
        "agent",
        **where("status IN ('queued','active','integrating')"),
    ),
    Index(
        "ix_tasks_stuck",
        "execution_id",
        "status",
        **where("current AND status IN ('failed','cancelled')"),
    ),
)

task_needs = Table(
    "task_needs",
    metadata,
    Column("task_id", Text, ForeignKey("tasks.id"), primary_key=True),
    Column("need_key", Text, primary_key=True),
    Column("execution_id", Text, nullable=False),
    Index("ix_task_needs_execution_id_need_key", "execution_id", "need_key"),
)
