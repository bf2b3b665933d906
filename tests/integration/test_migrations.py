"""Migrations make of an empty database what the tables say; again is harmless, newer refused."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from conductor_app.store import schema
from conductor_app.store.migrations import revision, upgrade
from conductor_app.store.schema import NewerSchema
from conductor_app.store.tables import metadata


def test_an_empty_database_gets_exactly_the_tables(empty_database_url: str) -> None:
    upgrade(empty_database_url)
    engine = create_engine(empty_database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        # Indexes are compared below, word by word: Alembic only guesses at those of expressions.
        found = compare_metadata(context, metadata)
        assert [each for each in found if not str(each[0]).endswith("_index")] == []
    engine.dispose()


def test_indexes_and_their_conditions_are_the_same(empty_database_url: str) -> None:
    upgrade(empty_database_url)
    migrated = _indexes(empty_database_url)
    engine = create_engine(empty_database_url)
    with engine.begin() as connection:
        metadata.drop_all(connection)
        metadata.create_all(connection)
    engine.dispose()
    assert _indexes(empty_database_url) == migrated


def test_twice_is_harmless(empty_database_url: str) -> None:
    first = upgrade(empty_database_url)
    engine = create_engine(empty_database_url)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO projects (id, name, location, settings, created_at) "
                "VALUES ('p', 'demo', '/x', '{}', 1)"
            )
        )
    assert upgrade(empty_database_url) == first == revision(empty_database_url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT name FROM projects")).scalars().all() == ["demo"]
    engine.dispose()


def test_an_empty_database_has_no_revision(empty_database_url: str) -> None:
    assert revision(empty_database_url) is None


def test_a_newer_schema_is_refused_and_left_alone(empty_database_url: str) -> None:
    upgrade(empty_database_url)
    engine = create_engine(empty_database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(NewerSchema, match="schema 9999"):
        upgrade(empty_database_url)
    assert revision(empty_database_url) == "9999"


def test_the_newest_revision_that_is_known_is_the_one_that_upgrading_leads_to(
    empty_database_url: str,
) -> None:
    assert schema.known()[-1] == upgrade(empty_database_url)
    assert schema.problem(revision(empty_database_url)) is None


@pytest.mark.parametrize(
    ("found", "code"), [(None, "no_schema"), ("0001", "older_schema"), ("9999", "newer_schema")]
)
def test_every_other_schema_is_named_with_the_way_out(found: str | None, code: str) -> None:
    problem = schema.problem(found)
    assert problem is not None and problem.code == code
    assert ("conductor db upgrade" in problem.message) == (code != "newer_schema")


def _indexes(url: str) -> dict[str, list[str]]:
    """By table, every index as the database itself words it."""
    engine = create_engine(url)
    with engine.connect() as connection:
        tables = sorted(inspect(connection).get_table_names())
        if engine.dialect.name == "postgresql":
            query = "SELECT indexdef FROM pg_indexes WHERE tablename = :name"
        else:
            query = "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = :name"
        found = {
            name: sorted(
                " ".join(str(each).split())
                for each in connection.execute(text(query), {"name": name}).scalars()
                if each
            )
            for name in tables
            if name != "alembic_version"
        }
    engine.dispose()
    return found
