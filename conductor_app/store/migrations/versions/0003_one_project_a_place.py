"""A place is one project: of several that were taken on at once the oldest keeps it."""

import time

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _unite_projects()
    live = sa.text("location <> '' AND archived_at IS NULL")
    op.create_index(
        "uq_projects_location",
        "projects",
        ["location"],
        unique=True,
        postgresql_where=live,
        sqlite_where=live,
    )


def downgrade() -> None:
    op.drop_index("uq_projects_location", "projects")


def _unite_projects() -> None:
    """The younger ones are archived; what was done in them belongs to the oldest from now on."""
    connection = op.get_bind()
    rows = connection.execute(
        sa.text(
            "SELECT id, location FROM projects WHERE location <> '' AND archived_at IS NULL "
            "ORDER BY created_at, id"
        )
    )
    oldest: dict[str, str] = {}
    for id_, location in rows.all():
        kept = oldest.setdefault(location, id_)
        if kept == id_:
            continue
        for table in ("executions", "lessons"):
            statement = f"UPDATE {table} SET project_id = :kept WHERE project_id = :id"
            connection.execute(sa.text(statement), {"kept": kept, "id": id_})
        connection.execute(
            sa.text("UPDATE projects SET archived_at = :now WHERE id = :id"),
            {"now": time.time_ns() // 1_000_000, "id": id_},
        )
