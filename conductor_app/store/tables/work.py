"""How the plan is carried out: jobs, attempts, what checks found, checkpoints."""

from sqlalchemy import (
    JSON,
    BigInteger,
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

jobs = Table(
    "jobs",
    metadata,
    # An attempt's job has its task's id, so that a chain can name it before it is queued.
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("execution_id", Text, ForeignKey("executions.id"), nullable=False),
    Column("task_id", Text, ForeignKey("tasks.id")),
    Column("queue", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    # Three counters: only reported failures count against the retry policy.
    Column("claims", Integer, nullable=False, server_default="0"),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("lost_leases", Integer, nullable=False, server_default="0"),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("lease_until", BigInteger),
    Column("worker_id", Text),
    Column("not_before", BigInteger, nullable=False, server_default="0"),
    Column("hinted_at", BigInteger),
    Column("payload", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    # The database's order, from which hints are sent.
    Index(
        "ix_jobs_unhinted",
        "queue",
        "execution_id",
        text("priority DESC"),
        "created_at",
        "id",
        **where("status = 'queued' AND hinted_at IS NULL"),
    ),
    Index(
        "ix_jobs_hinted",
        "queue",
        "hinted_at",
        **where("status = 'queued' AND hinted_at IS NOT NULL"),
    ),
    Index("ix_jobs_active", "queue", "lease_until", **where("status = 'active'")),
    Index("ix_jobs_open", "execution_id", "kind", **where("status IN ('queued','active')")),
    Index("ix_jobs_task_id", "task_id"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("execution_id", Text, ForeignKey("executions.id"), nullable=False),
    Column("task_id", Text, ForeignKey("tasks.id"), nullable=False),
    Column("number", Integer, nullable=False),
    # Reported failures before this attempt, plus 1: the key of its recording.
    Column("round", Integer, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("worker_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("connector", Text),
    Column("sandbox", Text),
    Column("commit", Text),
    Column("tree", Text),
    # Of one that failed: the ref of what it did.
    Column("kept", Text),
    # What an agent in Python said that it would take.
    Column("expected_ms", BigInteger),
    Column("turns", Integer, nullable=False, server_default="0"),
    Column("input_tokens", BigInteger, nullable=False, server_default="0"),
    Column("output_tokens", BigInteger, nullable=False, server_default="0"),
    Column("cache_read_tokens", BigInteger, nullable=False, server_default="0"),
    Column("cost_nano_usd", BigInteger, nullable=False, server_default="0"),
    Column("error_kind", Text),
    Column("error_message", Text),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    UniqueConstraint("task_id", "number"),
    Index("ix_attempts_execution_id_started_at", "execution_id", "started_at"),
    # One attempt of a task at a time.
    Index("uq_attempts_active", "task_id", unique=True, **where("status = 'active'")),
)

check_results = Table(
    "check_results",
    metadata,
    Column("id", Text, primary_key=True),
    Column("execution_id", Text, ForeignKey("executions.id"), nullable=False),
    Column("phase", Integer, nullable=False),
    # task, milestone, exit or test; `subject` is the key of what was judged.
    Column("role", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("job_id", Text),
    Column("attempt_id", Text),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("evidence", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_check_results_execution_id_subject", "execution_id", "subject"),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("id", Text, primary_key=True),
    Column("execution_id", Text, ForeignKey("executions.id"), nullable=False),
    # The phase that begins after it; the number after the last phase for the final one.
    Column("phase", Integer, nullable=False),
    Column("tag", Text, nullable=False),
    Column("commit", Text),
    Column("task_ids", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_checkpoints_execution_id_phase", "execution_id", "phase"),
)
