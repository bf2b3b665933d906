"""Tasks over HTTP: found, explained, changed; what their attempts wrote is read in pieces."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conductor_app.domain.outcome import Failed
from tests.api_caller import Caller, calling, repository

BROKEN = Failed("AGENT_ERROR", "It broke", retryable=False)


@pytest.fixture
def api(home: Path) -> Iterator[Caller]:
    with calling(home) as caller:
        yield caller


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return repository(tmp_path / "repo")


def task(api: Caller, key: str, **query: Any) -> Any:
    return api.get("/tasks", key=key, **query)["items"][0]


def test_tasks_are_listed_in_the_order_of_the_plan_and_filtered(api: Caller, repo: Path) -> None:
    api.start(repo)
    keys = [each["key"] for each in api.get("/tasks")["items"]]
    assert keys == ["0/types", "0/routes", "1/docs"]
    for query, expected in (
        ({"phase": 1}, ["1/docs"]),
        ({"agent": "api"}, ["0/routes"]),
        ({"status": "queued"}, ["0/types"]),
        ({"status": "queued,waiting", "phase": 0}, ["0/types", "0/routes"]),
        ({"milestone": "0/basis"}, ["0/types"]),
        ({"sort": "-plan", "limit": 1}, ["1/docs"]),
    ):
        assert [each["key"] for each in api.get("/tasks", **query)["items"]] == expected
    assert api.get("/tasks", 422, status="asleep")["code"] == "invalid_input"
    for address in ("/tasks", "/milestones", "/checks"):
        assert api.get(address, 422, phase=2**64)["code"] == "invalid_fields"


def test_tasks_of_nothing_are_not_found(api: Caller) -> None:
    assert api.get("/tasks", 404)["code"] == "not_found"
    assert api.get("/tasks", 404, execution="none")["code"] == "not_found"


def test_a_task_is_read_with_what_it_needs(api: Caller, repo: Path) -> None:
    api.start(repo)
    told = api.get(f"/tasks/{task(api, '0/routes')['id']}")
    assert (told["status"], told["needs"]) == ("waiting", ["0/types"])
    assert api.get("/tasks/none", 404)["code"] == "not_found"


def test_why_says_what_a_task_waits_for(api: Caller, repo: Path) -> None:
    api.start(repo)
    id_ = task(api, "0/routes")["id"]
    response = api.send("GET", f"/tasks/{id_}/why").get_json()
    assert response["message"] == response["data"]["sentence"]
    assert response["data"]["needs"] == [{"key": "0/types", "state": "queued"}]
    assert response["data"]["state"] == "waiting"


def test_retry_gives_a_failed_task_a_new_generation(api: Caller, repo: Path) -> None:
    id_ = api.start(repo)["id"]
    api.work(of={"0/types": [BROKEN]})
    failed = task(api, "0/types")
    assert api.get(f"/executions/{id_}")["reason"] == "blocked"
    renewed = api.post(f"/tasks/{failed['id']}/retry")
    assert (renewed["key"], renewed["generation"]) == ("0/types", 2)
    assert renewed["id"] != failed["id"]
    api.work()
    assert api.get(f"/executions/{id_}")["status"] == "completed"


def test_an_earlier_generation_is_not_acted_on(api: Caller, repo: Path) -> None:
    api.start(repo)
    api.work(of={"0/types": [BROKEN]})
    failed = task(api, "0/types")
    renewed = api.post(f"/tasks/{failed['id']}/retry")
    error = api.post(f"/tasks/{failed['id']}/cancel", expected=409)
    assert renewed["id"] in error["message"]
    history = api.get("/tasks", key="0/types", history=True)["items"]
    assert {each["generation"] for each in history} == {1, 2}


def test_skip_needs_a_reason_and_lets_the_rest_go_on(api: Caller, repo: Path) -> None:
    id_ = api.start(repo)["id"]
    types = task(api, "0/types")["id"]
    assert api.post(f"/tasks/{types}/skip", {}, 422)["code"] == "invalid_fields"
    for reason, wrong in (
        ("", "must not be empty"),
        ("x" * 501, "may have at most 500 characters"),
    ):
        told = api.post(f"/tasks/{types}/skip", {"reason": reason}, 422)["message"]
        assert told == f"The request is not valid. `reason`: it {wrong}."
    skipped = api.post(f"/tasks/{types}/skip", {"reason": "Done by hand."})
    assert (skipped["status"], skipped["summary"]) == ("skipped", "Done by hand.")
    assert task(api, "0/routes", execution=id_)["status"] == "queued"
    assert api.post(f"/tasks/{types}/skip", {"reason": "x"}, 409)["code"] == "refused"


def test_cancel_stops_a_task_and_pauses_what_needs_it(api: Caller, repo: Path) -> None:
    id_ = api.start(repo)["id"]
    types = task(api, "0/types")["id"]
    assert api.post(f"/tasks/{types}/cancel")["status"] == "cancelled"
    assert api.get(f"/executions/{id_}")["reason"] == "blocked"
    assert api.post(f"/tasks/{types}/retry")["status"] in ("queued", "waiting")


def test_a_repeated_retry_with_its_key_makes_one_generation(api: Caller, repo: Path) -> None:
    api.start(repo)
    api.work(of={"0/types": [BROKEN]})
    path = f"/tasks/{task(api, '0/types')['id']}/retry"
    assert api.post(path, key="again") == api.post(path, key="again")
    assert task(api, "0/types")["generation"] == 2


def test_attempts_are_listed_over_all_generations(api: Caller, repo: Path) -> None:
    api.start(repo)
    api.work(of={"0/types": [BROKEN]})
    api.post(f"/tasks/{task(api, '0/types')['id']}/retry")
    api.work()
    listed = api.get(f"/tasks/{task(api, '0/types')['id']}/attempts")["items"]
    assert [each["status"] for each in listed] == ["failed", "succeeded"]
    assert listed[0]["error_kind"] == "AGENT_ERROR"


def written(api: Caller, name: str, content: bytes) -> tuple[str, str]:
    """A task whose attempt wrote this; the ids of the task and of the attempt."""
    id_ = task(api, "0/types")["id"]
    attempt = api.get(f"/tasks/{id_}/attempts")["items"][-1]
    folder = api.conductor.settings.places.artifacts / attempt["execution_id"] / attempt["id"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return id_, attempt["id"]


def test_a_log_is_read_in_pieces_that_cut_no_character(api: Caller, repo: Path) -> None:
    api.start(repo)
    api.work()
    text = "ä€😀x" * 50
    id_, _ = written(api, "log.txt", text.encode())
    for limit in (4, 7, 64, 1000):
        read, offset = "", 0
        while True:
            piece = api.get(f"/tasks/{id_}/log", offset=offset, limit=limit)
            read, offset = read + piece["text"], piece["next_offset"]
            if offset >= piece["size"]:
                break
        assert read == text


def test_a_log_that_grows_is_followed_from_where_it_ended(api: Caller, repo: Path) -> None:
    api.start(repo)
    api.work()
    id_, attempt = written(api, "log.txt", b"first\n")
    piece = api.get(f"/tasks/{id_}/log", attempt=attempt)
    written(api, "log.txt", b"first\nsecond\n")
    assert api.get(f"/tasks/{id_}/log", offset=piece["next_offset"])["text"] == "second\n"
    assert api.get(f"/tasks/{id_}/log", offset=10_000)["text"] == ""


def test_a_transcript_is_read_like_a_log(api: Caller, repo: Path) -> None:
    api.start(repo)
    api.work()
    id_, attempt = written(api, "transcript.jsonl", b'{"type":"turn"}\n')
    piece = api.get(f"/tasks/{id_}/transcript")
    assert (piece["attempt_id"], piece["text"]) == (attempt, '{"type":"turn"}\n')


def test_what_was_not_written_is_not_found(api: Caller, repo: Path) -> None:
    api.start(repo)
    routes = task(api, "0/routes")["id"]
    assert "Nobody has tried" in api.get(f"/tasks/{routes}/log", 404)["message"]
    api.work()
    assert "no log.txt" in api.get(f"/tasks/{routes}/log", 404)["message"]
    other = api.get(f"/tasks/{task(api, '0/types')['id']}/attempts")["items"][0]["id"]
    # The attempt of another task is none of this one's.
    assert api.get(f"/tasks/{routes}/log", 404, attempt=other)["code"] == "not_found"
    for name in ("../../api.token", "%2e%2e", "/etc/passwd"):
        assert api.get(f"/tasks/{routes}/log", 422, attempt=name)["code"] == "invalid_fields"


def test_what_lies_beyond_the_target_is_told_apart_from_what_waits(api: Caller, repo: Path) -> None:
    api.start(repo, target_phase=0)
    listed = api.get("/tasks")["items"]
    assert {each["key"]: each["beyond_target"] for each in listed} == {
        "0/types": False,
        "0/routes": False,
        "1/docs": True,
    }
