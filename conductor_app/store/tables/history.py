"""What happened and what was learnt: events, errors, lessons, progress."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from conductor_app.store.tables.base import Counter, metadata

streams = Table(
    "streams",
    metadata,
    Column("stream", Text, primary_key=True),
    Column("last_number", BigInteger, nullable=False),
    Column("last_link", Text, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("position", Counter, primary_key=True, autoincrement=True),
    Column("stream", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("digest", Text, nullable=False),
    Column("link", Text, nullable=False),
    UniqueConstraint("stream", "number"),
)

errors = Table(
    "errors",
    metadata,
    Column("id", Text, primary_key=True),
    Column("execution_id", Text, ForeignKey("executions.id"), nullable=False),
    Column("phase", Integer, nullable=False),
    Column("agent", Text),
    Column("task_key", Text),
    Column("severity", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("resolved_at", BigInteger),
    Index("ix_errors_execution_id_created_at", "execution_id", "created_at"),
)

lessons = Table(
    "lessons",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text, ForeignKey("projects.id"), nullable=False),
    Column("execution_id", Text),
    Column("phase", Integer),
    Column("agent", Text),
    Column("category", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("impact", Text, nullable=False),
    Column("action_taken", Text, nullable=False),
    # What an agent proposed is a lesson once a person has accepted it.
    Column("status", Text, nullable=False, server_default="recorded"),
    Column("created_at", BigInteger, nullable=False),
    # When, by whom and why it was accepted or rejected.
    Column("decided_at", BigInteger),
    Column("decided_by", Text),
    Column("reason", Text),
    Index("ix_lessons_project_id_created_at", "project_id", "created_at"),
)

progress = Table(
    "progress",
    metadata,
    Column("id", Text, primary_key=True),
    Column("execution_id", Text, ForeignKey("executions.id"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("phase", Integer, nullable=False),
    Column("phase_progress", Float, nullable=False),
    Column("overall_progress", Float, nullable=False),
    Column("active_tasks", Integer, nullable=False),
    Column("completed_tasks", Integer, nullable=False),
    Column("failed_tasks", Integer, nullable=False),
    Column("eta", BigInteger),
    Index("ix_progress_execution_id_at", "execution_id", "at"),
)
