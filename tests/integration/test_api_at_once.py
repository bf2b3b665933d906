"""The same request twice at one moment, on PostgreSQL: one does it, the other finds it done."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from werkzeug.test import TestResponse

from tests.api_caller import SMALL, Caller, calling, repository

WAITING = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.fixture
def api(home: Path, postgresql_url: str) -> Iterator[Caller]:
    with calling(home, postgresql_url) as caller:
        yield caller


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return repository(tmp_path / "repo")


@pytest.fixture
def at_once(
    api: Caller, postgresql_url: str, wait_until: Callable[..., None]
) -> Callable[..., list[TestResponse]]:
    """Sends all the bodies to one path; none writes the table before all of them wait."""

    def send(table: str, path: str, *bodies: dict[str, Any]) -> list[TestResponse]:
        with (
            closing(psycopg2.connect(postgresql_url)) as observer,
            closing(psycopg2.connect(postgresql_url)) as obstacle,
            ThreadPoolExecutor(len(bodies)) as people,
        ):
            observer.autocommit = True

            def waiting() -> int:
                with observer.cursor() as cursor:
                    cursor.execute(WAITING)
                    (number,) = cursor.fetchone() or (0,)
                return int(number)

            with obstacle.cursor() as cursor:
                cursor.execute(f"LOCK TABLE {table} IN SHARE MODE")
            callers = [Caller(api.app, api.conductor, api.queue) for _ in bodies]
            sent = [
                people.submit(caller.send, "POST", path, body)
                for caller, body in zip(callers, bodies, strict=True)
            ]
            try:
                wait_until(lambda: waiting() == len(bodies), what="all are in each other's way")
            finally:
                obstacle.rollback()
            return [each.result() for each in sent]

    return send


def test_two_starts_are_one_execution(
    api: Caller, repo: Path, at_once: Callable[..., list[TestResponse]]
) -> None:
    api.post("/projects", {"location": str(repo)}, 201)
    body = {"project": str(repo), "template": SMALL}
    answers = at_once("executions", "/orchestrator/start", body, body)
    assert [each.status_code for each in answers] == [200, 200]
    assert len({each.get_json()["data"]["executionId"] for each in answers}) == 1
    assert len(api.get("/executions")["items"]) == 1


def test_two_starts_that_name_no_project_are_one_execution(
    api: Caller, repo: Path, at_once: Callable[..., list[TestResponse]]
) -> None:
    api.post("/projects", {"location": str(repo)}, 201)
    answers = at_once("executions", "/orchestrator/start", *[{"template": SMALL}] * 2)
    assert [each.status_code for each in answers] == [200, 200]
    assert len(api.get("/executions")["items"]) == 1


def test_a_path_that_two_register_is_one_project(
    api: Caller, repo: Path, at_once: Callable[..., list[TestResponse]]
) -> None:
    bodies = [{"location": str(repo), "name": name} for name in ("one", "two")]
    answers = at_once("projects", "/projects", *bodies)
    assert sorted(each.status_code for each in answers) == [201, 409]
    (project,) = api.get("/projects")["items"]
    refusal = next(each.get_json()["error"] for each in answers if each.status_code == 409)
    assert f"is project {project['name']} already" in refusal["message"]


def test_two_starts_on_a_new_path_are_one_execution_of_one_project(
    api: Caller, repo: Path, at_once: Callable[..., list[TestResponse]]
) -> None:
    body = {"project": str(repo), "template": SMALL}
    answers = at_once("projects", "/orchestrator/start", body, body)
    assert [each.status_code for each in answers] == [200, 200]
    assert len(api.get("/projects")["items"]) == 1
    assert len(api.get("/executions")["items"]) == 1
