"""What an sql check accepts as a query and as rows; SQLite files are read and never written."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from conductor_app.domain.states import Verdict
from tests.workbench import make_bench, run
from workers.bench import Bench
from workers.sandbox import Level, Sandbox


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = make_bench(tmp_path, Sandbox(Level.UNCONFINED))
    with sqlite3.connect(bench.checkout / "app.db") as database:
        database.execute("create table items (id integer, title text, raw blob)")
        database.execute("insert into items values (1, 'One; two', x'41'), (2, 'Two', null)")
    return bench


@pytest.mark.parametrize(
    ("query", "expect"),
    [
        ("select * from items", {"rows": 2}),
        ("select * from items;", {"min_rows": 1}),
        ("select count(*) from items", {"value": 2}),
        ("select title from items order by id", {"values": ["One; two", "Two"]}),
        ("select id, title from items where title = 'One; two'", {"values": [[1, "One; two"]]}),
        ("select raw from items where id = 2", {"value": None}),
        ("select raw from items where id = 1", {"value": "A"}),
        ("with x as (select 1) select * from x -- a; comment", {"rows": 1}),
        ("pragma table_info(items)", {"rows": 3}),
        ("select id from items where id > 2", {"rows": 0}),
    ],
)
def test_passes(bench: Bench, query: str, expect: dict[str, Any]) -> None:
    result = run(bench, "sql", database="app.db", query=query, expect=expect)
    assert result.verdict is Verdict.PASSED, result.message


@pytest.mark.parametrize(
    ("query", "expect", "message"),
    [
        ("select * from items", {"rows": 3}, "expected 3 rows, found 2 rows"),
        ("select * from items where id = 1", {"min_rows": 2}, "at least 2 rows, found 1 row"),
        ("select count(*) from items", {"value": 3}, "expected 3, found 2"),
        ("select id from items", {"value": 1}, "expected the one value 1, found 2 rows"),
        ("select id from items", {"values": [1]}, "expected [1], found [1, 2]"),
        ("select other from items", {"rows": 1}, "no such column: other"),
        ("delete from items", {"rows": 0}, "one statement that reads"),
        ("select 1; select 2", {"rows": 1}, "this is several"),
        ("with x as (select 1) delete from items", {"rows": 0}, "readonly database"),
        ("-- select 1", {"rows": 0}, "this is nothing"),
    ],
)
def test_fails_with_a_reason(
    bench: Bench, query: str, expect: dict[str, Any], message: str
) -> None:
    result = run(bench, "sql", database="app.db", query=query, expect=expect)
    assert result.verdict is Verdict.FAILED
    assert message in result.message


def test_an_endless_query_is_stopped(bench: Bench) -> None:
    endless = "with recursive n(x) as (select 1 union all select x + 1 from n) select max(x) from n"
    result = run(bench, "sql", database="app.db", query=endless, timeout=0.2)
    assert (result.verdict, result.seconds < 5) == (Verdict.FAILED, True)
    assert "interrupted" in result.message


@pytest.mark.parametrize("address", ["../other.db", "sqlite:////etc/passwd", "/etc/passwd"])
def test_a_file_outside_the_checkout_is_refused(bench: Bench, address: str) -> None:
    result = run(bench, "sql", database=address, query="select 1")
    assert result.verdict is Verdict.FAILED
    assert "outside the checkout" in result.message


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("absent.db", "there is no database absent.db"),
        ("mysql://host/db", "not mysql"),
        ("http//:://", "no database URL"),
    ],
)
def test_a_database_that_cannot_be_read(bench: Bench, address: str, message: str) -> None:
    result = run(bench, "sql", database=address, query="select 1")
    assert result.verdict is Verdict.FAILED
    assert message in result.message


def test_a_file_that_is_no_database_fails(bench: Bench) -> None:
    (bench.checkout / "text.db").write_text("this is no database at all" * 100)
    result = run(bench, "sql", database="text.db", query="select 1 from items")
    assert "file is not a database" in result.message


def test_an_unset_url_is_skipped_when_optional(bench: Bench) -> None:
    fields = {"query": "select 1", "database": "${env.WAREHOUSE_URL}"}
    assert run(bench, "sql", **fields).verdict is Verdict.FAILED
    skipped = run(bench, "sql", optional=True, **fields)
    assert skipped.verdict is Verdict.SKIPPED
    assert "CONDUCTOR_CHECK_WAREHOUSE_URL" in skipped.message


def test_the_operator_may_name_the_database(bench: Bench) -> None:
    bench.variables = {"DATABASE_URL": "sqlite:///app.db"}
    assert run(bench, "sql", query="select 1 from items").verdict is Verdict.PASSED
