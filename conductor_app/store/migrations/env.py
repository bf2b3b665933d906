"""How Alembic reaches the database: one connection, one transaction, batch mode for SQLite."""

from alembic import context
from sqlalchemy import create_engine

from conductor_app.store.tables import metadata


def run() -> None:
    engine = create_engine(context.config.get_main_option("sqlalchemy.url") or "")
    with engine.connect() as connection:
        sqlite = connection.dialect.name == "sqlite"
        context.configure(
            connection=connection,
            target_metadata=metadata,
            render_as_batch=sqlite,
            transactional_ddl=True,
        )
        with context.begin_transaction():
            if sqlite:
                # Its driver would begin a transaction with the first row that changes, not before.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            context.run_migrations()
    engine.dispose()


run()
