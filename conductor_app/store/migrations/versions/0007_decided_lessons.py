"""Who accepted or rejected a lesson, when and why; Conductor's own are told from accepted ones."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("lessons") as lessons:
        lessons.add_column(sa.Column("decided_at", sa.BigInteger()))
        lessons.add_column(sa.Column("decided_by", sa.Text()))
        lessons.add_column(sa.Column("reason", sa.Text()))
        lessons.alter_column("status", server_default="recorded")
    # Nobody could accept one before.
    op.execute("UPDATE lessons SET status = 'recorded' WHERE status = 'accepted'")


def downgrade() -> None:
    op.execute("UPDATE lessons SET status = 'accepted' WHERE status = 'recorded'")
    with op.batch_alter_table("lessons") as lessons:
        lessons.alter_column("status", server_default="accepted")
        lessons.drop_column("reason")
        lessons.drop_column("decided_by")
        lessons.drop_column("decided_at")
