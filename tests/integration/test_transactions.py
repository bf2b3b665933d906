"""Transactions: what fails leaves nothing behind, and what is read is one moment's truth."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from conductor_app.queue import MemoryQueue
from conductor_app.settings import Settings
from conductor_app.store import migrations, projects
from conductor_app.store.database import Database

# A foreign key that is only looked at by the commit.
CHECKED_LATE = "CREATE TABLE late (id TEXT REFERENCES projects (id) DEFERRABLE INITIALLY DEFERRED)"


@contextmanager
def opened(url: str) -> Iterator[Database]:
    migrations.upgrade(url)
    database = Database(url, b"key", MemoryQueue(), pool_size=1)
    try:
        yield database
    finally:
        database.close()


@pytest.fixture
def sqlite(sqlite_url: str) -> Iterator[Database]:
    with opened(sqlite_url) as database:
        yield database


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with opened(database_url) as database:
        yield database


def add(database: Database, name: str) -> None:
    with database.transaction() as tx:
        projects.add(tx, name, f"/srv/{name}")


def names(database: Database) -> list[str]:
    with database.read() as tx:
        return projects.names(tx)


def test_a_commit_that_fails_leaves_the_connection_usable(sqlite: Database) -> None:
    with pytest.raises(IntegrityError), sqlite.transaction() as tx:
        tx.connection.exec_driver_sql(CHECKED_LATE)
        tx.connection.exec_driver_sql("INSERT INTO late VALUES ('nothing')")
    add(sqlite, "after")
    assert names(sqlite) == ["after"]


def test_a_full_disk_is_told_as_one(sqlite: Database) -> None:
    with pytest.raises(OperationalError, match="disk is full"), sqlite.transaction() as tx:
        tx.connection.exec_driver_sql("PRAGMA max_page_count = 1")
        for number in range(1000):
            projects.add(tx, f"{number}", "x" * 10_000)
    with sqlite.transaction() as tx:
        tx.connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    add(sqlite, "after")
    assert names(sqlite) == ["after"]


def test_what_is_read_is_of_one_moment(database_url: str, database: Database) -> None:
    with opened(database_url) as other, database.read() as tx:
        assert projects.names(tx) == []
        add(other, "meanwhile")
        assert projects.names(tx) == []
    assert names(database) == ["meanwhile"]


def test_reading_writes_nothing_on_postgresql(postgresql_url: str) -> None:
    with (
        opened(Settings.load(database_url=postgresql_url).database_url) as database,
        pytest.raises(DBAPIError, match="read-only"),
        database.read() as tx,
    ):
        projects.add(tx, "shop", "/srv/shop")
