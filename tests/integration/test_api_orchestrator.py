"""Document 000's nine endpoints, acting on the project's current execution."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conductor_app.domain.outcome import Failed
from conductor_app.store import workers
from tests.api_caller import SMALL, Caller, calling, repository


@pytest.fixture
def api(home: Path) -> Iterator[Caller]:
    with calling(home) as caller:
        yield caller


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return repository(tmp_path / "repo")


def start(api: Caller, repo: Path, **order: Any) -> Any:
    body = {"project": str(repo), "template": SMALL, **order}
    return api.post("/orchestrator/start", body)


def test_start_starts_then_goes_on(api: Caller, repo: Path) -> None:
    started = start(api, repo)
    assert started["isRunning"] is True
    api.post("/orchestrator/stop")
    again = api.post("/orchestrator/start")
    assert again["executionId"] == started["executionId"]
    assert again["isRunning"] is True


def test_start_says_who_does_the_work(api: Caller, repo: Path) -> None:
    response = api.send("POST", "/orchestrator/start", {"project": str(repo)})
    told = response.get_json()
    assert told["data"]["workflow"] == "project-conductor"
    assert told["data"]["connector"] == "replay"
    assert "replay" in told["data"]["label"]
    assert told["data"]["note"] in told["message"]


def test_start_of_nothing_known_names_the_way_out(api: Caller) -> None:
    assert "path of its repository" in api.post("/orchestrator/start", expected=404)["message"]


def test_start_on_the_only_project_needs_no_name(api: Caller, repo: Path) -> None:
    api.post("/projects", {"location": str(repo)}, 201)
    assert api.post("/orchestrator/start", {"template": SMALL})["project"] == "repo"


def test_start_among_several_projects_asks_which(api: Caller, repo: Path, tmp_path: Path) -> None:
    api.post("/projects", {"location": str(repo)}, 201)
    api.post("/projects", {"location": str(repository(tmp_path / "other"))}, 201)
    assert api.post("/orchestrator/start", {}, 409)["code"] == "ambiguous"


def test_stop_pauses_and_a_worker_gets_nothing_new(api: Caller, repo: Path) -> None:
    start(api, repo)
    stopped = api.post("/orchestrator/stop")
    assert (stopped["isRunning"], stopped["status"], stopped["reason"]) == (
        False,
        "paused",
        "person",
    )
    assert api.work().done == []
    api.post("/orchestrator/start")
    assert api.work().done


def test_status_has_the_documents_fields(api: Caller, repo: Path) -> None:
    start(api, repo)
    response = api.send("GET", "/orchestrator/status").get_json()
    assert response["message"] == "Orchestrator status retrieved"
    told = response["data"]
    assert list(told)[:8] == [
        "isRunning",
        "currentPhase",
        "overallProgress",
        "completedPhases",
        "activeAgents",
        "activeTasks",
        "completedTasks",
        "failedTasks",
    ]
    assert told["currentPhase"]["number"] == 0
    assert told["currentPhase"]["name"] == "First"
    assert told["currentPhase"]["progress"] == 0
    assert told["overallProgress"] == 0


def test_status_after_the_end_is_of_what_ended_last(api: Caller, repo: Path) -> None:
    start(api, repo)
    api.work()
    told = api.get("/orchestrator/status")
    assert (told["isRunning"], told["completedPhases"], told["overallProgress"]) == (
        False,
        [0, 1],
        1.0,
    )
    assert told["completedTasks"] == 3
    assert api.post("/orchestrator/stop", expected=404)["code"] == "not_found"


def test_several_projects_with_work_are_listed_when_none_is_named(
    api: Caller, repo: Path, tmp_path: Path
) -> None:
    ids = {
        start(api, repo)["executionId"],
        start(api, repository(tmp_path / "other"))["executionId"],
    }
    error = api.get("/orchestrator/status", 409)
    assert error["code"] == "ambiguous"
    assert {each["id"] for each in error["details"]["executions"]} == ids
    assert "query parameter `project`" in error["message"] and "--" not in error["message"]
    assert api.get("/orchestrator/status", project="other")["project"] == "other"
    for id_ in ids:
        assert api.get("/orchestrator/status", execution=id_)["executionId"] == id_


def test_advance_and_rollback(api: Caller, repo: Path) -> None:
    start(api, repo, autoAdvance=False)
    assert api.post("/orchestrator/advance", expected=409)["details"]["missing"]
    api.work()
    api.post("/orchestrator/advance")
    api.work()
    assert api.get("/orchestrator/status")["currentPhase"]["number"] == 1
    assert api.post("/orchestrator/rollback")["phase"] == 0
    assert api.get("/orchestrator/status")["currentPhase"]["number"] == 0


def test_test_runs_the_phases_checks_as_a_job(api: Caller, repo: Path) -> None:
    start(api, repo)
    job = api.post("/orchestrator/test", expected=202)["job_id"]
    assert api.get(f"/jobs/{job}")["status"] == "queued"
    api.work()
    told = api.get(f"/jobs/{job}")
    assert told["status"] == "succeeded"
    assert [each["name"] for each in told["checks"]] == ["it starts"]
    assert told["checks"][0]["evidence"]["exit_code"] == 0


def test_deploy_makes_an_agents_queue_consumed_and_tells_its_health(
    api: Caller, repo: Path
) -> None:
    start(api, repo)
    with api.conductor.transaction() as tx:
        workers.register(
            tx, id="w1", host="here", pid=1, role="agent", queues=["agent.models"], slots=8
        )
    told = api.post("/orchestrator/deploy/models")
    assert (told["agent"], told["queued_tasks"]) == ("models", 1)
    assert told["health"]["state"] == "up"
    assert told["health"]["workers"] == ["w1"]
    assert api.queue.consumed == ["agent.models"]
    other = api.post("/orchestrator/deploy/agent-api")
    assert (other["agent"], other["health"]["state"]) == ("api", "down")
    error = api.post("/orchestrator/deploy/modls", expected=404)
    assert "`models`" in error["message"]
    assert api.queue.consumed == ["agent.models", "agent.api"]


def test_report_and_dashboard(api: Caller, repo: Path) -> None:
    start(api, repo)
    api.work(of={"0/routes": [Failed("AGENT_ERROR", "It broke", retryable=False)]})
    for part in ("report", "dashboard"):
        assert api.get(f"/orchestrator/{part}")["execution"]["project"] == "repo"
        text = api.get(f"/orchestrator/{part}", format="markdown")["markdown"]
        assert text.startswith("# ")
        assert "It broke" in text
        assert api.get(f"/orchestrator/{part}", 422, format="pdf")["code"] == "invalid_fields"


@pytest.mark.parametrize("verb", ["stop", "advance", "rollback", "test", "deploy/models"])
def test_what_needs_an_execution_says_so(api: Caller, verb: str) -> None:
    assert api.post(f"/orchestrator/{verb}", expected=404)["code"] == "not_found"
