"""Prepared statements: the same answers as SQLAlchemy's own way, on both databases."""

from collections.abc import Iterator

import pytest
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from conductor_app.queue import MemoryQueue
from conductor_app.store.database import Database
from conductor_app.store.prepared import Prepared, among
from conductor_app.store.tables import workers
from tests.databases import give_schema

ADD = Prepared(insert(workers))
BY_IDS = select(workers).where(among(workers.c.id, "ids")).order_by(workers.c.id)
RENAME = Prepared(
    update(workers).where(workers.c.id == bindparam("worker")).values(host=bindparam("new_host"))
)


def worker(id_: str, **values: object) -> dict[str, object]:
    return {
        "id": id_,
        "host": "here",
        "pid": 1,
        "role": "agent",
        "queues": ["agent.api", "it's 100 %s"],
        "slots": 4,
        "sandbox": None,
        "status": "up",
        "started_at": 1,
        "seen_at": 2,
        **values,
    }


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    give_schema(database_url)
    opened = Database(database_url, b"key", MemoryQueue(), pool_size=1)
    yield opened
    opened.close()


def add(database: Database, *ids: str) -> None:
    with database.transaction() as tx:
        tx.later(ADD, *(worker(id_) for id_ in ids))


def test_rows_are_what_sqlalchemy_makes_of_them(database: Database) -> None:
    add(database, "a", "b", "c")
    wanted = {"ids": ["a", "c", "not there"]}
    with database.read() as tx:
        prepared = tx.all(Prepared(BY_IDS), wanted)
        assert prepared == tx.all(BY_IDS, wanted)
        assert prepared[0].queues == ["agent.api", "it's 100 %s"]
        assert [row.id for row in prepared] == ["a", "c"]


@pytest.mark.parametrize("ids", [[], ["a"], ["a", "b"]])
def test_one_text_serves_any_number(database: Database, ids: list[str]) -> None:
    add(database, "a", "b")
    with database.read() as tx:
        assert [row.id for row in tx.all(Prepared(BY_IDS), {"ids": ids})] == ids


def test_what_is_written_later_is_seen_by_the_next_read(database: Database) -> None:
    add(database, "a")
    with database.transaction() as tx:
        tx.later(RENAME, {"worker": "a", "new_host": "there"})
        assert tx.all(Prepared(BY_IDS), {"ids": ["a"]})[0].host == "there"
        tx.later(RENAME, {"worker": "a", "new_host": "elsewhere"})
        # SQLAlchemy's own statement, too.
        assert tx.value(select(workers.c.host)) == "elsewhere"
        tx.later(RENAME, {"worker": "a", "new_host": "the end"})
    with database.read() as tx:
        assert tx.value(select(workers.c.host)) == "the end"


def test_an_error_is_sqlalchemys_and_undoes_the_transaction(database: Database) -> None:
    add(database, "a")
    with pytest.raises(IntegrityError), database.transaction() as tx:
        tx.later(RENAME, {"worker": "a", "new_host": "there"})
        tx.later(ADD, worker("a"))
    add(database, "b")
    with database.read() as tx:
        assert [(row.id, row.host) for row in tx.all(Prepared(BY_IDS), {"ids": ["a", "b"]})] == [
            ("a", "here"),
            ("b", "here"),
        ]


def test_a_statement_given_up_before_it_was_sent_can_be_used_again(database: Database) -> None:
    """Its PREPARE never reached the server."""
    fresh = Prepared(update(workers).where(workers.c.id == bindparam("worker")).values(slots=9))
    add(database, "a")
    with pytest.raises(ZeroDivisionError), database.transaction() as tx:
        tx.later(fresh, {"worker": "a"})
        raise ZeroDivisionError
    with database.transaction() as tx:
        tx.later(fresh, {"worker": "a"})
    with database.read() as tx:
        assert tx.value(select(workers.c.slots)) == 9


def test_a_read_that_fails_is_sqlalchemys_error(database: Database) -> None:
    broken = Prepared(select(workers.c.id).where(workers.c.slots == bindparam("slots")))
    with database.transaction() as tx:
        tx.connection.exec_driver_sql("ALTER TABLE workers RENAME COLUMN slots TO seats")
    with pytest.raises(DBAPIError), database.transaction() as tx:
        tx.all(broken, {"slots": 1})
    with database.transaction() as tx:
        tx.connection.exec_driver_sql("ALTER TABLE workers RENAME COLUMN seats TO slots")
        assert tx.all(broken, {"slots": 1}) == []
