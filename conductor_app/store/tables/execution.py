"""Executions, with the projects and the workflows that they are of, and their fair shares."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from conductor_app.store.tables.base import metadata, where

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
        **where("location <> '' AND archived_at IS NULL"),
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
    Index("ix_executions_open", "id", **where("status IN ('pending','running','paused')")),
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
