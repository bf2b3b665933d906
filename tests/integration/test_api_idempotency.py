"""The same request with the same key: one effect, one answer, on both databases."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from conductor_app.store import idempotency
from conductor_app.store.tables import executions, idempotency_keys
from tests.api_caller import SMALL, Caller, calling, repository


@pytest.fixture
def api(home: Path, database_url: str) -> Iterator[Caller]:
    with calling(home, database_url) as caller:
        yield caller


@pytest.fixture
def order(tmp_path: Path) -> dict[str, Any]:
    return {"project": str(repository(tmp_path / "repo")), "template": SMALL}


def count(api: Caller) -> int:
    with api.conductor.read() as tx:
        return int(tx.value(select(func.count()).select_from(executions)))


def test_a_repeated_request_gets_the_stored_answer(api: Caller, order: dict[str, Any]) -> None:
    first = api.send("POST", "/executions", order, key="one")
    again = api.send("POST", "/executions", order, key="one")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.get_json() == again.get_json()
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert count(api) == 1


def test_the_answer_stays_what_it_was_when_the_state_has_moved_on(
    api: Caller, order: dict[str, Any]
) -> None:
    started = api.post("/executions", order, 201)
    path = f"/executions/{started['id']}/pause"
    assert api.post(path, {}, key="stop")["status"] == "paused"
    api.post(f"/executions/{started['id']}/resume")
    assert api.post(path, {}, key="stop")["status"] == "paused"
    assert api.get(f"/executions/{started['id']}")["status"] == "running"


def test_the_order_and_spacing_of_the_body_do_not_make_another_request(
    api: Caller, order: dict[str, Any]
) -> None:
    api.post("/executions", order, 201, key="one")
    api.post("/executions", dict(reversed(order.items())), 201, key="one")
    assert count(api) == 1


@pytest.mark.parametrize("change", [{"priority": "high"}, {"inputs": {"title": "x"}}])
def test_another_request_with_the_key_is_refused(
    api: Caller, order: dict[str, Any], change: dict[str, Any]
) -> None:
    api.post("/executions", order, 201, key="one")
    error = api.post("/executions", {**order, **change}, 409, key="one")
    assert error["code"] == "idempotency_key_reused"


def test_another_address_with_the_key_is_refused(api: Caller, order: dict[str, Any]) -> None:
    id_ = api.post("/executions", order, 201)["id"]
    api.post(f"/executions/{id_}/pause", {}, key="one")
    assert api.post(f"/executions/{id_}/cancel", {}, 409, key="one")["code"] == (
        "idempotency_key_reused"
    )
    assert api.get(f"/executions/{id_}")["status"] == "paused"


def test_a_refused_request_leaves_its_key_free(api: Caller, order: dict[str, Any]) -> None:
    wrong = {**order, "workflow": None, "template": "name: nothing"}
    api.post("/executions", wrong, 422, key="one")
    api.post("/executions", order, 201, key="one")
    assert count(api) == 1


def test_without_a_key_each_request_counts(api: Caller, order: dict[str, Any]) -> None:
    assert api.post("/executions", order, 201)["id"] != api.post("/executions", order, 201)["id"]


@pytest.mark.parametrize("key", ["", "with space", "x" * 201, "caf\xe9"])
def test_keys_that_are_none(api: Caller, order: dict[str, Any], key: str) -> None:
    error = api.post("/executions", order, 422, key=key)
    assert error["code"] == "invalid_idempotency_key"


def test_many_at_once_have_one_effect(api: Caller, order: dict[str, Any]) -> None:
    api.post("/projects", {"location": order["project"]}, 201)
    start = threading.Barrier(8)
    told: list[Any] = []

    def ask() -> None:
        client = Caller(api.app, api.conductor, api.queue)
        start.wait()
        told.append(client.send("POST", "/executions", order, key="one").get_json())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 8
    assert all(each == told[0] for each in told)
    assert count(api) == 1


def test_kept_answers_can_be_forgotten_by_age(api: Caller, order: dict[str, Any]) -> None:
    api.post("/executions", order, 201, key="one")
    with api.conductor.transaction() as tx:
        assert idempotency.forget(tx, tx.now) in (0, 1)
        assert idempotency.forget(tx, tx.now + 1) in (0, 1)
    with api.conductor.read() as tx:
        assert tx.value(select(func.count()).select_from(idempotency_keys)) == 0
