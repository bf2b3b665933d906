"""Questions that nobody waits for any more are withdrawn: their tasks ended before an answer."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "UPDATE decisions SET status = 'withdrawn' WHERE status = 'pending' AND task_id IN "
        "(SELECT id FROM tasks WHERE status NOT IN ('waiting', 'queued', 'active', 'integrating'))"
    )


def downgrade() -> None:
    op.execute("UPDATE decisions SET status = 'pending' WHERE status = 'withdrawn'")
