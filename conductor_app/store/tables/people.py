"""What agents ask people, and what they tell them."""

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Integer, Table, Text

from conductor_app.store.tables.base import metadata, where

# What agents ask people. While its task is unfinished, one that is pending counts among the needs
# that the task waits for.
decisions = Table(
    "decisions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("execution_id", Text, ForeignKey("executions.id"), nullable=False),
    Column("task_id", Text, ForeignKey("tasks.id"), nullable=False),
    Column("attempt_id", Text, nullable=False),
    # The round and the call in which it was asked: asked once more there, it has its answer.
    Column("round", Integer, nullable=False),
    Column("call_id", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("options", JSON, nullable=False),
    Column("status", Text, nullable=False),
    Column("answer", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("answered_at", BigInteger),
    Index("ix_decisions_execution_id", "execution_id", "id"),
    Index("ix_decisions_task_id", "task_id"),
    Index("ix_decisions_pending", "id", **where("status = 'pending'")),
)

# What agents notice that may need action.
signals = Table(
    "signals",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text, ForeignKey("projects.id"), nullable=False),
    Column("execution_id", Text, ForeignKey("executions.id"), nullable=False),
    Column("task_id", Text, ForeignKey("tasks.id"), nullable=False),
    Column("attempt_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_signals_project_id", "project_id", "id"),
    Index("ix_signals_execution_id", "execution_id", "id"),
    Index("ix_signals_task_id", "task_id"),
)
