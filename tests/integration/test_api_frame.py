"""What holds for every request: token, one error shape, strict bodies, limits, headers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.api_caller import Caller, calling

OPEN = ("/api/v1/health/live", "/api/v1/version", "/openapi.json", "/docs")
GUARDED = ("/api/v1/executions", "/api/v1/tasks", "/api/v1/nothing-here", "/nothing-here")


@pytest.fixture
def api(home: Path) -> Iterator[Caller]:
    with calling(home) as caller:
        yield caller


@pytest.mark.parametrize("path", OPEN)
def test_what_is_open_asks_for_no_token(api: Caller, path: str) -> None:
    assert api.client.get(path).status_code == 200


@pytest.mark.parametrize("path", GUARDED)
@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic dXNlcjpwYXNz", "bearer\xe9"],
)
def test_everything_else_asks_for_the_token(
    api: Caller, path: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    response = api.client.get(path, headers=headers)
    assert response.status_code == 401
    assert response.get_json()["error"]["code"] == "unauthenticated"
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_token_that_was_chosen_is_the_one_that_counts(home: Path) -> None:
    with calling(home, token="chosen on purpose") as api:
        assert api.send("GET", "/projects").status_code == 200
        assert not api.conductor.settings.places.api_token.exists()


def test_the_token_is_in_no_answer(api: Caller) -> None:
    token = api.conductor.settings.api_token()
    for path in ("/health/ready", "/version", "/nothing-here", "/workers"):
        assert token not in api.send("GET", path).text


def test_every_answer_has_a_request_id_and_headers_that_keep_browsers_safe(api: Caller) -> None:
    for path in (*OPEN, *GUARDED):
        headers = api.client.get(path, headers={"Origin": "https://elsewhere.example"}).headers
        assert headers["X-Request-Id"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "Access-Control-Allow-Origin" not in headers


def test_the_callers_request_id_is_kept_when_it_is_a_plain_one(api: Caller) -> None:
    kept = api.send("GET", "/tasks/none", headers={"X-Request-Id": "run-7.a"})
    assert kept.headers["X-Request-Id"] == kept.get_json()["error"]["request_id"] == "run-7.a"
    other = api.send("GET", "/tasks/none", headers={"X-Request-Id": "x" * 65})
    assert other.headers["X-Request-Id"] != "x" * 65


def test_what_is_not_there_and_what_takes_no_such_method_have_the_same_shape(api: Caller) -> None:
    assert api.get("/nothing-here", 404)["code"] == "not_found"
    response = api.send("POST", "/workers", {})
    assert response.status_code == 405
    assert response.get_json()["error"]["code"] == "method_not_allowed"
    assert "GET" in response.headers["Allow"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{broken", 400, "invalid_json"),
        (b"\xff\xfe", 400, "invalid_json"),
        (b'{"location": NaN}', 400, "invalid_json"),
        (b"[" * 100_000, 400, "invalid_json"),
        (b"[]", 422, "invalid_fields"),
        (b'"text"', 422, "invalid_fields"),
        (b"null", 422, "invalid_fields"),
        (b"", 422, "invalid_fields"),
        (b'{"location": "/a\\u0000b"}', 422, "invalid_fields"),
        (b" " * 1_000_001, 413, "body_too_large"),
    ],
)
def test_bodies_that_can_not_be_taken(api: Caller, body: bytes, status: int, code: str) -> None:
    token = api.conductor.settings.api_token()
    response = api.client.post(
        "/api/v1/projects",
        data=body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )
    assert (response.status_code, response.get_json()["error"]["code"]) == (status, code)


def test_broken_json_is_located(api: Caller) -> None:
    token = api.conductor.settings.api_token()
    response = api.client.post(
        "/api/v1/projects",
        data=b'{"location":\n  oops}',
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )
    assert response.get_json()["error"]["details"] == {"line": 2, "column": 3}


def test_bodies_that_are_not_json_are_refused_by_their_type(api: Caller) -> None:
    token = api.conductor.settings.api_token()
    response = api.client.post(
        "/api/v1/projects", data=b"location=/tmp", headers={"Authorization": f"Bearer {token}"}
    )
    assert response.status_code == 415


def test_unknown_fields_are_refused_by_name_in_bodies_and_addresses(api: Caller) -> None:
    body = {"project": "/tmp", "status": "completed", "fence": 7}
    error = api.post("/executions", body, 422)
    assert [each["field"] for each in error["details"]["fields"]] == ["status", "fence"]
    error = api.get("/executions", 422, projekt="x")
    assert error["details"]["fields"] == [{"field": "projekt", "message": "there is no such field"}]


def test_what_was_sent_is_not_repeated_in_refusals(api: Caller) -> None:
    error = api.post("/projects", {"location": 7, "password": "hunter2"}, 422)
    assert "hunter2" not in str(error)


def test_a_database_without_schema_is_a_clear_failure(api: Caller) -> None:
    with api.conductor.transaction() as tx:
        tx.run(text("DROP TABLE leases"))
        tx.run(text("DROP TABLE alembic_version"))
        tx.run(text("DROP TABLE projects"))
    told = api.client.get("/api/v1/health/ready")
    assert told.status_code == 503
    assert told.get_json()["success"] is False
    error = told.get_json()["error"]
    assert error["code"] == "not_ready" and "database: " in error["message"]
    found = {each["name"]: each for each in error["details"]["dependencies"]}
    assert found["database"]["state"] == "down"
    assert "no schema yet" in found["database"]["detail"]
    assert "conductor db upgrade" in found["database"]["detail"]
    assert found["broker"]["state"] == "up"
    for method, path, body in (("GET", "/projects", None), ("POST", "/orchestrator/stop", {})):
        response = api.send(method, path, body)
        assert response.status_code == 503
        error = response.get_json()["error"]
        assert error["code"] == "no_schema"
        assert "conductor db upgrade" in error["message"]


@pytest.mark.parametrize(("found", "ready"), [("0001", False), ("9999", True)])
def test_a_schema_of_another_version_is_told(api: Caller, found: str, ready: bool) -> None:
    """Processes of the older version work on while the schema is brought up to date."""
    with api.conductor.transaction() as tx:
        tx.run(text("UPDATE alembic_version SET version_num = :found"), {"found": found})
        tx.run(text("ALTER TABLE projects RENAME COLUMN settings TO lost"))
    told = api.client.get("/api/v1/health/ready")
    assert (told.status_code == 200) is ready
    response = api.send("GET", "/projects")
    assert f"has schema {found}" in response.get_json()["error"]["message"]


def test_a_database_that_is_away_is_503_and_not_a_traceback(api: Caller) -> None:
    with api.conductor.transaction() as tx:
        tx.run(text("ALTER TABLE projects RENAME TO lost"))
    response = api.send("GET", "/projects")
    assert response.status_code == 503
    assert response.get_json()["error"]["code"] == "unreachable"
    assert "sqlite" not in response.text.lower()


def test_ready_names_each_dependency(api: Caller) -> None:
    told = api.get("/health/ready")
    assert told["status"] == "ready"
    assert [(each["name"], each["state"], each["required"]) for each in told["dependencies"]] == [
        ("database", "up", True),
        ("broker", "up", True),
        ("workers", "down", False),
    ]
    assert all(each["latency_ms"] >= 0 for each in told["dependencies"])
