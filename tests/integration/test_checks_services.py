"""Checks that talk to one shared service of the project: http, load, sql and commands."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from conductor_app.domain.states import Verdict
from tests.workbench import ITEMS, ITEMS_SERVICE, check, make_bench, run
from workers.bench import Bench
from workers.checks import judge
from workers.sandbox import Sandbox


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    files = {"service.py": ITEMS_SERVICE}
    bench = make_bench(tmp_path, Sandbox.detect("auto"), files, services={"items": ITEMS})
    with closing(bench):
        yield bench


def http(bench: Bench, *requests: dict[str, Any], **fields: Any) -> Any:
    return run(bench, "http", service="items", requests=list(requests), **fields)


def test_a_service_is_started_called_and_queried(bench: Bench) -> None:
    create = {
        "method": "POST",
        "path": "/items",
        "json": {"title": "One"},
        "status": [200, 201],
        "expect": {"id": {"type": "integer"}, "title": "One"},
        "save": {"id": "id"},
    }
    read = {"path": "/items/${id}", "expect": {"id": "${id}", "title": {"matches": "^O"}}}
    invalid = {"method": "POST", "path": "/items", "json": {}, "status": 422}
    requests = [create, read, invalid, {"path": "/items/99", "status": 404}]
    results = judge(
        [
            check("http", service="items", requests=requests),
            check("sql", service="items", query="select title from items", expect={"value": "One"}),
            check("command", service="items", run=CALL, output_contains=["checked", "One"]),
            check("load", service="items", path="/items", users=20, max_p95_ms=20_000),
        ],
        bench,
    )
    assert [(r.verdict.value, r.message) for r in results if r.verdict != "passed"] == []
    first, second, *_ = results[0].evidence["requests"]
    assert (first["method"], first["path"], first["status"]) == ("POST", "/items", 201)
    assert first["expected"]["status"] == [200, 201]
    assert (second["path"], json.loads(second["body"])["title"]) == ("/items/1", "One")
    figures = results[3].evidence
    assert (figures["requests"], figures["errors"], figures["users"]) == (100, 0, 20)
    assert 0 < figures["p50_ms"] <= figures["p95_ms"] <= figures["max_ms"]
    assert [p.name for p in bench.artifacts.glob("service-*")] == ["service-items.log"]
    json.dumps([r.evidence for r in results])


CALL = """python -c '
import os, urllib.request
for path in ("/health", "/items"):
    print(urllib.request.urlopen(os.environ["SERVICE_URL"] + path).read().decode())
'"""


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"path": "/items/1"}, "status 404, expected 200"),
        ({"path": "/items", "expect": {"total": 5}}, "total must equal 5, found 0"),
        ({"path": "/health", "body_contains": ["down"]}, "the body does not contain 'down'"),
        ({"path": "/items", "save": {"id": "items.0.id"}}, "nothing at items.0.id to save as id"),
        ({"path": "/items/${id}"}, "${id} is unknown; saved so far: nothing"),
        ({"path": "/away"}, "status 302, expected 200"),
        ({"path": "/endless"}, "the body is longer than"),
        ({"path": "http://example.com/"}, "is not a path of the service"),
        ({"path": "/die"}, "no answer"),
    ],
)
def test_a_wrong_answer_says_what_was_expected(
    bench: Bench, request_: dict[str, Any], message: str
) -> None:
    result = http(bench, request_, {"path": "/never-asked"})
    assert result.verdict is Verdict.FAILED
    assert message in result.message
    assert len(result.evidence["requests"]) == 1
    assert "items are served" in result.evidence["log"]


def test_what_came_back_is_kept_when_it_cannot_be_judged(bench: Bench) -> None:
    result = http(bench, {"path": "/health", "expect": {"mode": "${mode}"}})
    assert "${mode} is unknown" in result.message
    assert result.evidence["requests"][0]["status"] == 200


def test_a_check_has_its_own_deadline(bench: Bench) -> None:
    requests = [{"path": "/slow"}] * 5
    result = http(bench, *requests, timeout=0.5)
    assert result.verdict is Verdict.FAILED
    assert 1 < len(result.evidence["requests"]) < 5


def test_a_service_that_drips_is_not_waited_for(bench: Bench) -> None:
    result = http(bench, {"path": "/drip"}, timeout=0.5)
    assert "no answer before the time was over" in result.message
    assert result.seconds < 5


def test_an_odd_answer_becomes_evidence_that_can_be_stored(bench: Bench) -> None:
    odd = http(bench, {"path": "/odd", "expect": {"text": "x", "number": 1}})
    assert odd.verdict is Verdict.FAILED
    json.dumps([odd.message, odd.evidence], allow_nan=False)
    nested = http(bench, {"path": "/nested", "expect": {"a": 1}})
    assert "a must equal 1, found nothing" in nested.message


def test_load_beyond_its_bounds_fails(bench: Bench) -> None:
    slow = run(bench, "load", service="items", path="/slow", users=2, max_p95_ms=100)
    assert slow.verdict is Verdict.FAILED
    assert "allowed 100 ms" in slow.message
    wrong = run(bench, "load", service="items", path="/x", users=2, requests_per_user=2)
    assert "4 errors, allowed 0" in wrong.message
    assert wrong.evidence["first_errors"][0] == "status 404"


def test_load_may_post_a_body(bench: Bench) -> None:
    fields = {"service": "items", "path": "/items", "users": 3, "requests_per_user": 2}
    posted = run(bench, "load", method="POST", json={"title": "x"}, max_p95_ms=20_000, **fields)
    assert posted.verdict is Verdict.PASSED, posted.message
    counted = {"service": "items", "query": "select count(*) from items"}
    assert run(bench, "sql", expect={"value": 6}, **counted).verdict is Verdict.PASSED


def test_prepare_makes_the_database(bench: Bench) -> None:
    script = "import sqlite3; sqlite3.connect('new.db').execute('create table t (x)')"
    fields = {"database": "new.db", "query": "select name from sqlite_master"}
    made = run(bench, "sql", prepare=["python", "-c", script], expect={"value": "t"}, **fields)
    assert made.verdict is Verdict.PASSED, made.message
    failed = run(bench, "sql", prepare="echo no; exit 2", **fields)
    assert "`prepare` (echo no; exit 2) ended with exit code 2" in failed.message
    assert failed.evidence["log"] == "no\n"
