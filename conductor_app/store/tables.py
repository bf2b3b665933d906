"""Every table, with the invariants that the database itself keeps.

Times are milliseconds since 1970 (UTC), money is nano-USD. `current` marks the newest generation of
a row whose history is kept. Partial indexes name only unfinished rows, so the tick costs the same
however much is finished.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

# SQLite numbers a table's rows by itself only for a column of exactly this type.
Counter = BigInteger().with_variant(Integer, "sqlite")


def _where(condition: str) -> dict[str, Any]:
    """The same partial-index condition for both databases."""
    return {"postgresql_where": text(condition), "sqlite_where": text(condition)}


projects = Table(
    "projects",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    # A local path or a git URL; empty for work that needs no files.
    Column("location", Text, nullable=False, server_default=""),
    Column("settings", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("archived_at", BigInteger),
    UniqueConstraint("location", "name"),
    # A place is one project, whoever took it on first; those put away are history.
    Index(
        "uq_projects_location",
        "location",
        unique=True,
        **_where("location <> '' AND archived_at IS NULL"),
    ),
)

workflow_versions = Table(
    "workflow_versions",
    metadata,
    Column("version", Text, primary_key=True),
    Column("name", Text, nullable=False, index=True),
    Column("source", Text, nullable=False),
    # What the author wrote, and the same as the validated model (JSON), which is quick to read.
    Column("text", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

executions = Table(
    "executions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text, ForeignKey("projects.id"), nullable=False),
    Column("workflow_name", Text, nullable=False),
    Column("workflow_version", Text, ForeignKey("workflow_versions.version"), nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("reason_detail", Text),
    Column("driver", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("connector", Text),
    Column("inputs", JSON, nullable=False),
    # Phases before this one are replayed, whatever the connector.
    Column("replay_before", Integer, nullable=False, server_default="0"),
    Column("auto_advance", Boolean, nullable=False),
    Column("concurrency", Integer),
    Column("uses_git", Boolean, nullable=False),
    Column("branch", Text, nullable=False),
    Column("base_commit", Text),
    Column("tip", Text),
    Column("target_phase", Integer, nullable=False),
    Column("current_phase", Integer, nullable=False),
    # A job that must end before anything else is claimed: a rollback or the next checkpoint.
    Column("hold", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    Column("updated_at", BigInteger, nullable=False),
    Index("ix_executions_open", "id", **_where("status IN ('pending','running','paused')")),
    Index("ix_executions_project_id_id", "project_id", "id"),
)

# Fair share between executions: the lowest virtual time is served next (see domain/priority.py).
shares = Table(
    "shares",
    metadata,
    # No foreign key: a second update in a transaction would check it, and wait for the lock of an
    # execution that this transaction only sends a hint for.
    Column("execution_id", Text, primary_key=True),
    Column("weight", Float, nullable=False),
    Column("virtual_time", Float, nullable=False),
)

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
    Index("uq_phases_current", "execution_id", "number", unique=True, **_where("current")),
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
    Index("uq_milestones_current", "execution_id", "key", unique=True, **_where("current")),
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
    Index("uq_tasks_current", "execution_id", "key", unique=True, **_where("current")),
    Index(
        "ix_tasks_ready",
        "execution_id",
        "phase",
        text("priority DESC"),
        "position",
        **_where("status = 'waiting' AND needs_left = 0"),
    ),
    Index(
        "ix_tasks_in_flight",
        "execution_id",
        "agent",
        **_where("status IN ('queued','active','integrating')"),
    ),
    Index(
        "ix_tasks_stuck",
        "execution_id",
        "status",
        **_where("current AND status IN ('failed','cancelled')"),
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
        **_where("status = 'queued' AND hinted_at IS NULL"),
    ),
    Index(
        "ix_jobs_hinted",
        "queue",
        "hinted_at",
        **_where("status = 'queued' AND hinted_at IS NOT NULL"),
    ),
    Index("ix_jobs_active", "queue", "lease_until", **_where("status = 'active'")),
    Index("ix_jobs_open", "execution_id", "kind", **_where("status IN ('queued','active')")),
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
    Index("uq_attempts_active", "task_id", unique=True, **_where("status = 'active'")),
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

# What may be spent within a scope, and what was. No foreign keys here or in the two tables below:
# checking one would wait for the lock of an execution, whose holder may be waiting for this row.
budgets = Table(
    "budgets",
    metadata,
    # Its scope in words: `installation:<day>`, `project:<id>:<day>`, `execution:<id>`, `task:<id>`.
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    # The UTC day (YYYY-MM-DD) of a daily budget.
    Column("day", Text),
    Column("execution_id", Text),
    # NULL is no cap.
    Column("tokens_cap", BigInteger),
    Column("nano_usd_cap", BigInteger),
    Column("working_ms_cap", BigInteger),
    Column("tokens_spent", BigInteger, nullable=False, server_default="0"),
    Column("nano_usd_spent", BigInteger, nullable=False, server_default="0"),
    Column("tokens_reserved", BigInteger, nullable=False, server_default="0"),
    Column("nano_usd_reserved", BigInteger, nullable=False, server_default="0"),
    # Working time up to `worked_until`; attempts that were active then began at `working_from` or
    # later.
    Column("working_ms_spent", BigInteger, nullable=False, server_default="0"),
    Column("worked_until", BigInteger, nullable=False, server_default="0"),
    Column("working_from", BigInteger, nullable=False, server_default="0"),
    # From this share of a cap, in per cent, the alert is due; it is given once.
    Column("alert_percent", Integer),
    Column("alerted_at", BigInteger),
    # Tokens added to the cap when a person opens the pool.
    Column("emergency_tokens", BigInteger, nullable=False, server_default="0"),
    Column("emergency_at", BigInteger),
    Column("emergency_by", Text),
    Column("emergency_reason", Text),
    # Who let calls be made whose price nobody knows, and why.
    Column("unknown_price_by", Text),
    Column("unknown_price_reason", Text),
    Column("created_at", BigInteger, nullable=False),
    CheckConstraint(
        "tokens_spent >= 0 AND nano_usd_spent >= 0 AND working_ms_spent >= 0", name="spent"
    ),
    CheckConstraint("tokens_reserved >= 0 AND nano_usd_reserved >= 0", name="reserved"),
    Index("ix_budgets_execution_id", "execution_id"),
    Index("ix_budgets_day", "day"),
)

reservations = Table(
    "reservations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text, nullable=False),
    Column("execution_id", Text, nullable=False),
    Column("task_id", Text, nullable=False),
    Column("attempt_id", Text, nullable=False),
    # The UTC day whose budgets it is taken from.
    Column("day", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("connector", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("nano_usd", BigInteger, nullable=False),
    # Whether `nano_usd` is a price; without one it is 0.
    Column("priced", Boolean, nullable=False),
    # open or settled
    Column("status", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("settled_at", BigInteger),
    CheckConstraint("tokens >= 0 AND nano_usd >= 0", name="amount"),
    Index("ix_reservations_open", "attempt_id", **_where("status = 'open'")),
)

usage = Table(
    "usage",
    metadata,
    Column("id", Text, primary_key=True),
    # NULL for what a program spent that was never asked beforehand.
    Column("reservation_id", Text, unique=True),
    Column("project_id", Text, nullable=False),
    Column("execution_id", Text, nullable=False),
    Column("task_id", Text, nullable=False),
    Column("attempt_id", Text, nullable=False),
    Column("day", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("connector", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    # What the budgets were charged with; the parts are known only when it was reported.
    Column("tokens", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cache_read_tokens", BigInteger, nullable=False),
    Column("cache_write_tokens", BigInteger, nullable=False),
    # NULL is unknown.
    Column("nano_usd", BigInteger),
    # The UTC day whose price list it was priced by.
    Column("price_date", Text),
    Column("request_id", Text),
    # reported, assumed (the worst case), or unknown (a program that says nothing)
    Column("basis", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_usage_execution_id", "execution_id"),
    Index("ix_usage_day", "day"),
)

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
    Column("status", Text, nullable=False, server_default="accepted"),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_lessons_project_id_created_at", "project_id", "created_at"),
)

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
    Index("ix_decisions_pending", "id", **_where("status = 'pending'")),
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

workers = Table(
    "workers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("role", Text, nullable=False),
    Column("queues", JSON, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("sandbox", Text),
    Column("status", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", BigInteger, nullable=False),
    # Since when the holder has been in contact without a gap.
    Column("since", BigInteger, nullable=False),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("key", Text, primary_key=True),
    Column("request", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("response", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

# The words of the partial indexes again, for queries: SQLite uses such an index only for a
# condition that it can compare word by word, which it can't with IN lists of parameters.
OPEN_EXECUTION = text("executions.status IN ('pending','running','paused')")
OPEN_JOB = text("jobs.status IN ('queued','active')")
FLYING_TASK = text("tasks.status IN ('queued','active','integrating')")
STUCK_TASK = text("tasks.current AND tasks.status IN ('failed','cancelled')")
PENDING_DECISION = text("decisions.status = 'pending'")
CURRENT_TASK = text("tasks.current")
CURRENT_PHASE = text("phases.current")
CURRENT_MILESTONE = text("milestones.current")
