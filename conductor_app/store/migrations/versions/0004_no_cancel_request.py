"""A worker learns by its fence that a job was cancelled; the column that asked it to stop goes."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_UNHINTED = sa.text("status = 'queued' AND hinted_at IS NULL")


def upgrade() -> None:
    # SQLite before 3.35 drops no column: Alembic copies the table, with its indexes as far as it
    # understands them. The one with a descending column is made anew.
    op.drop_index("ix_jobs_unhinted", "jobs")
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_column("cancel_requested")
    op.create_index(
        "ix_jobs_unhinted",
        "jobs",
        ["queue", "execution_id", sa.text("priority DESC"), "created_at", "id"],
        postgresql_where=_UNHINTED,
        sqlite_where=_UNHINTED,
    )


def downgrade() -> None:
    with op.batch_alter_table("jobs") as jobs:
        jobs.add_column(
            sa.Column(
                "cancel_requested", sa.Boolean(), server_default=sa.text("false"), nullable=False
            )
        )
