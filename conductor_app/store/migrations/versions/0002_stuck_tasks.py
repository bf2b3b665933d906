"""The index of stuck tasks names their status, so that SQLite prefers it to that of all tasks."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_STUCK = sa.text("current AND status IN ('failed','cancelled')")


def upgrade() -> None:
    _replace(["execution_id", "status"])


def downgrade() -> None:
    _replace(["execution_id"])


def _replace(columns: list[str]) -> None:
    op.drop_index("ix_tasks_stuck", table_name="tasks")
    op.create_index(
        "ix_tasks_stuck", "tasks", columns, sqlite_where=_STUCK, postgresql_where=_STUCK
    )
