"""Judging a commit of a real repository in a clean checkout of it; reading PostgreSQL."""

import subprocess
from pathlib import Path

import psycopg2
import pytest

from conductor_app.domain.states import Verdict
from tests.workbench import ITEMS, ITEMS_SERVICE, check, make_bench, run, workflow
from workers.bench import open_bench
from workers.checks import judge
from workers.sandbox import Sandbox
from workers.workspace import Repository


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.com"]
    argv = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path = tmp_path / "project"
    path.mkdir()
    git(path, "init", "-q", "-b", "main")
    (path / "service.py").write_text(ITEMS_SERVICE)
    git(path, "add", ".")
    git(path, "commit", "-qm", "A service")
    return path


def test_the_commit_is_judged_and_not_the_working_tree(home: Path, project: Path) -> None:
    commit, tree = git(project, "rev-parse", "HEAD", "HEAD^{tree}").split()
    (project / "service.py").write_text("broken(")
    (project / "uncommitted.txt").write_text("x")
    repository = Repository.open(str(project), home)
    with open_bench(
        repository,
        commit,
        workflow=workflow(services={"items": ITEMS}),
        sandbox=Sandbox.detect("auto"),
        home=home,
        artifacts=home / "artifacts" / "a1",
    ) as bench:
        checkout = bench.checkout
        results = judge(
            [
                check("http", service="items", requests=[{"path": "/items"}]),
                check("sql", service="items", query="select * from items", expect={"rows": 0}),
                check("file", path="uncommitted.txt", absent=True),
            ],
            bench,
        )
        service = bench.services.running("items")
    assert [r.verdict for r in results] == [Verdict.PASSED] * 3
    assert {(r.evidence["commit"], r.evidence["tree"]) for r in results} == {(commit, tree)}
    assert not checkout.exists()
    assert not service.command.alive()
    assert git(project, "status", "--porcelain").split() == [
        "M",
        "service.py",
        "??",
        "uncommitted.txt",
    ]


def test_postgresql_is_read_and_never_written(tmp_path: Path, postgresql_url: str) -> None:
    with psycopg2.connect(postgresql_url) as connection, connection.cursor() as cursor:
        cursor.execute("create table items (id int, price numeric, at date)")
        cursor.execute("insert into items values (1, 2.50, '2026-01-02'), (2, 3, null)")
    bench = make_bench(tmp_path, Sandbox.detect("auto"))
    bench.variables = {"DATABASE_URL": postgresql_url}
    query = "select id, price, at from items where at::text like '2026%'"
    passed = run(bench, "sql", query=query, expect={"values": [[1, 2.5, "2026-01-02"]]})
    assert passed.verdict is Verdict.PASSED, passed.message
    gone = "with gone as (delete from items returning id) select * from gone"
    refused = run(bench, "sql", query=gone, expect={"min_rows": 1})
    assert "read-only transaction" in refused.message
    slow = run(bench, "sql", query="select pg_sleep(20)", timeout=0.5)
    assert "statement timeout" in slow.message


def test_a_postgresql_that_does_not_answer_hides_its_password(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, Sandbox.detect("auto"))
    address = "postgres://user:secret@127.0.0.1:1/db"
    result = run(bench, "sql", database=address, query="select 1")
    assert result.verdict is Verdict.FAILED
    assert "Connection refused" in result.message
    assert "secret" not in str(result)
