"""What Python agents say of themselves: what they can do, and how long a task will take."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("attempts") as attempts:
        attempts.add_column(sa.Column("expected_ms", sa.BigInteger()))
    with op.batch_alter_table("workers") as workers:
        workers.add_column(sa.Column("agents", sa.JSON()))


def downgrade() -> None:
    with op.batch_alter_table("workers") as workers:
        workers.drop_column("agents")
    with op.batch_alter_table("attempts") as attempts:
        attempts.drop_column("expected_ms")
