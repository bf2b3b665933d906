"""Executions over HTTP: started with what was left open chosen, listed, moved along and back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conductor_app.catalog import AGENTS
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


def test_the_bundled_workflow_is_replayed_as_far_as_it_is_recorded(api: Caller, repo: Path) -> None:
    answer = api.send("POST", "/executions", {"project": str(repo)})
    told = answer.get_json()
    execution = told["data"]
    assert answer.status_code == 201
    assert (execution["workflow"], execution["connector"]) == ("project-conductor", "replay")
    assert execution["target_phase"] < 5
    assert "replay" in told["message"]
    assert f"Phase {execution['target_phase']} is the last one recorded" in told["message"]
    assert execution["note"] in told["message"]
    assert execution["branch"] == f"conductor/{execution['id']}"


def test_both_spellings_of_names_are_taken(api: Caller, repo: Path) -> None:
    body = {"targetPhase": 0, "autoAdvance": False, "replayBefore": 0, "priority": "high"}
    execution = api.post("/executions", {"project": str(repo), **body}, 201)
    assert (execution["target_phase"], execution["auto_advance"]) == (0, False)
    body = {"target_phase": 0, "auto_advance": True}
    assert api.post("/executions", {"project": str(repo), **body}, 201)["auto_advance"] is True


def test_workers_take_the_queues_of_new_agents_at_once(api: Caller, repo: Path) -> None:
    with api.conductor.transaction() as tx:
        queues = [f"agent.{name}" for name in AGENTS]
        workers.register(tx, id="w1", host="here", pid=1, role="agent", queues=queues, slots=4)
    template = SMALL.replace("  api: {", "  scribe: {").replace("agent: api", "agent: scribe")
    api.start(repo, template)
    assert api.queue.consumed == ["agent.scribe"]


def test_inputs_are_typed_by_the_template(api: Caller, repo: Path) -> None:
    assert api.start(repo, inputs={"count": 3})["inputs"] == {"title": "Wishes", "count": 3}
    error = api.post(
        "/executions",
        {"project": str(repo), "template": SMALL, "inputs": {"count": "many", "titel": "x"}},
        422,
    )
    assert "`titel`" in error["message"]
    assert "`count`" in error["message"]


@pytest.mark.parametrize(
    ("order", "status", "code"),
    [
        ({"workflow": "project-conducter"}, 404, "not_found"),
        ({"workflow": "small", "template": SMALL}, 422, "invalid_fields"),
        ({"template": "name: [broken"}, 422, "invalid_workflow"),
        ({"connector": "repley"}, 422, "no_such_connector"),
        ({"connector": "oracle"}, 422, "no_such_connector"),
        ({"target_phase": 9}, 422, "invalid_input"),
        ({"target_phase": -1}, 422, "invalid_fields"),
        ({"target_phase": 0, "replay_before": 1}, 422, "invalid_input"),
        ({"priority": "urgent"}, 422, "invalid_fields"),
        ({"priority": 0}, 422, "invalid_fields"),
        ({"project": "/there/is/nothing"}, 422, "not_a_repository"),
        ({"project": "unknown"}, 404, "not_found"),
    ],
)
def test_orders_that_are_refused_start_nothing(
    api: Caller, repo: Path, order: dict[str, Any], status: int, code: str
) -> None:
    error = api.post("/executions", {"project": str(repo), **order}, status)
    assert error["code"] == code
    assert api.get("/executions")["items"] == []
    assert api.get("/projects")["items"] == []


@pytest.mark.parametrize("title", ["a\0b", "\ud800"])
def test_inputs_are_text_that_can_be_kept(api: Caller, repo: Path, title: str) -> None:
    body = {"project": str(repo), "template": SMALL, "inputs": {"title": title}}
    assert api.post("/executions", body, 422)["code"] == "invalid_fields"


def test_a_template_that_is_not_valid_is_refused_with_line_and_column(
    api: Caller, repo: Path
) -> None:
    template = SMALL.replace("agent: api", "agent: apy")
    error = api.post("/executions", {"project": str(repo), "template": template}, 422)
    problem = next(each for each in error["details"]["problems"] if each["severity"] == "error")
    assert problem["line"] == template[: template.index("apy")].count("\n") + 1
    assert problem["column"] > 1
    assert problem["suggestion"] == "api"


def test_a_workflow_that_was_started_once_is_known_by_its_name(api: Caller, repo: Path) -> None:
    first = api.start(repo)
    again = api.post("/executions", {"project": str(repo), "workflow": "small"}, 201)
    assert again["workflow_version"] == first["workflow_version"]


def test_executions_are_filtered_sorted_and_paged(api: Caller, repo: Path) -> None:
    ids = [api.start(repo)["id"] for _ in range(3)]
    api.post(f"/executions/{ids[0]}/cancel")
    api.post(f"/executions/{ids[1]}/pause")
    listed = api.get("/executions")["items"]
    assert [each["id"] for each in listed] == ids[::-1]
    listed = api.get("/executions", sort="created", status="cancelled,paused")["items"]
    assert [each["status"] for each in listed] == ["cancelled", "paused"]
    page = api.get("/executions", limit=2)
    rest = api.get("/executions", limit=2, cursor=page["next_cursor"])
    assert [each["id"] for each in page["items"] + rest["items"]] == ids[::-1]
    assert api.get("/executions", workflow="other")["items"] == []
    assert api.get("/executions", 422, status="done")["code"] == "invalid_input"
    assert api.get("/executions", 422, sort="colour")["code"] == "invalid_input"


def test_an_execution_is_read_with_its_progress(api: Caller, repo: Path) -> None:
    id_ = api.start(repo)["id"]
    told = api.get(f"/executions/{id_}")
    assert told["progress"]["currentPhase"]["number"] == 0
    assert told["inputs"] == {"title": "Wishes", "count": 1}
    assert api.get("/executions/01ARZ3NDEKTSV4RRFFQ69G5FAV", 404)["code"] == "not_found"


def test_pause_keeps_its_reason_and_resume_goes_on(api: Caller, repo: Path) -> None:
    id_ = api.start(repo)["id"]
    paused = api.post(f"/executions/{id_}/pause", {"reason": "Lunch."})
    assert (paused["status"], paused["reason"], paused["reason_detail"]) == (
        "paused",
        "person",
        "Lunch.",
    )
    assert api.post(f"/executions/{id_}/resume")["status"] == "running"


def test_what_has_ended_changes_no_more(api: Caller, repo: Path) -> None:
    id_ = api.start(repo)["id"]
    assert api.post(f"/executions/{id_}/cancel")["status"] == "cancelled"
    for verb in ("pause", "resume", "cancel", "advance", "rollback"):
        assert api.post(f"/executions/{id_}/{verb}", expected=409)["code"] == "refused"


def test_advance_names_what_is_missing_and_goes_on_when_nothing_is(api: Caller, repo: Path) -> None:
    id_ = api.start(repo, auto_advance=False)["id"]
    error = api.post(f"/executions/{id_}/advance", expected=409)
    assert "task 0/types is queued" in error["details"]["missing"]
    api.work()
    api.post(f"/executions/{id_}/advance")
    api.work()
    assert api.get(f"/executions/{id_}")["current_phase"] == 1


def test_rollback_does_a_phase_again(api: Caller, repo: Path) -> None:
    id_ = api.start(repo, auto_advance=False)["id"]
    api.work()
    told = api.post(f"/executions/{id_}/rollback", {"to": 0})
    assert (told["phase"], told["job_id"]) == (0, None)
    tasks = api.get("/tasks", execution=id_, phase=0)["items"]
    assert {each["generation"] for each in tasks} == {2}
    assert api.post(f"/executions/{id_}/rollback", {"to": 4}, 409)["code"] == "refused"


def test_rollback_with_a_repository_is_a_workers_job(api: Caller, repo: Path) -> None:
    id_ = api.start(repo, SMALL.replace("files: false, ", ""), auto_advance=False)["id"]
    api.work()
    told = api.post(f"/executions/{id_}/rollback", {"to": 0}, 202)
    assert api.get(f"/jobs/{told['job_id']}")["kind"] == "rollback"
    api.work()
    assert api.get(f"/jobs/{told['job_id']}")["status"] == "succeeded"


def test_the_parts_of_an_execution(api: Caller, repo: Path) -> None:
    id_ = api.start(repo)["id"]
    api.work(of={"0/routes": [Failed("AGENT_ERROR", "It broke", retryable=False)]})
    path = f"/executions/{id_}"
    assert [each["number"] for each in api.get(f"{path}/phases")["items"]] == [0, 1]
    assert [each["phase"] for each in api.get(f"{path}/checkpoints")["items"]] == [0]
    assert "It broke" in api.get(f"{path}/errors")["items"][0]["message"]
    graph = api.get(f"{path}/graph")
    assert {"from": "0/types", "to": "0/routes"} in graph["edges"]
    assert {each["key"] for each in graph["nodes"]} == {"0/types", "0/routes", "1/docs"}
    timeline = api.get(f"{path}/timeline")
    assert [each["task"] for each in timeline["attempts"]] == ["0/types", "0/routes"]
    assert timeline["attempts"][0]["finished_at"]
    assert api.get(f"{path}/report")
    for part in ("phases", "checkpoints", "errors", "graph", "timeline", "report", "events"):
        assert api.get(f"/executions/none/{part}", 404)["code"] == "not_found"


def test_events_are_numbered_without_gaps_across_pages(api: Caller, repo: Path) -> None:
    id_ = api.start(repo)["id"]
    api.work()
    numbers: list[int] = []
    cursor = None
    while True:
        query = {"limit": 7, **({"cursor": cursor} if cursor else {})}
        page = api.get(f"/executions/{id_}/events", **query)
        numbers += [each["number"] for each in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert numbers == list(range(1, len(numbers) + 1))
    done = api.get(f"/executions/{id_}/events", type="task.completed")["items"]
    assert [each["payload"]["key"] for each in done]


class TestRerun:
    def test_a_task_is_done_again_with_what_needs_it(self, api: Caller, repo: Path) -> None:
        id_ = api.start(repo, auto_advance=False)["id"]
        api.work()
        answer = api.send("POST", f"/executions/{id_}/rerun", {"task": "0/types"})
        told = answer.get_json()
        assert answer.status_code == 200
        assert told["message"] == "Task 0/types and 1 that need it will be done again"
        assert told["data"]["tasks"] == ["0/types", "0/routes"]
        tasks = api.get("/tasks", execution=id_, phase=0)["items"]
        assert {each["generation"] for each in tasks} == {2}

    def test_with_a_repository_it_is_a_workers_job(self, api: Caller, repo: Path) -> None:
        template = SMALL.replace("files: false, ", "")
        id_ = api.start(repo, template, auto_advance=False)["id"]
        api.work()
        told = api.post(f"/executions/{id_}/rerun", {"task": "0/types"}, 202)
        assert api.get(f"/jobs/{told['job_id']}")["kind"] == "revert"
        api.work()
        assert api.get(f"/jobs/{told['job_id']}")["status"] == "succeeded"

    def test_a_phase_is_rolled_back(self, api: Caller, repo: Path) -> None:
        id_ = api.start(repo, auto_advance=False)["id"]
        api.work()
        assert api.post(f"/executions/{id_}/rerun", {"phase": 0})["phase"] == 0

    @pytest.mark.parametrize("body", [{}, {"task": "0/types", "phase": 0}, {"task": ""}])
    def test_it_is_a_task_or_a_phase(
        self, api: Caller, repo: Path, body: dict[str, object]
    ) -> None:
        id_ = api.start(repo)["id"]
        assert api.post(f"/executions/{id_}/rerun", body, 422)["code"] == "invalid_fields"

    def test_what_can_not_be_done_again_is_refused(self, api: Caller, repo: Path) -> None:
        id_ = api.start(repo)["id"]
        assert api.post(f"/executions/{id_}/rerun", {"task": "1/docs"}, 409)["code"] == "refused"
        assert api.post(f"/executions/{id_}/rerun", {"task": "0/x"}, 404)["code"] == "not_found"

    @pytest.mark.parametrize("verb", [("rerun", {"task": "0/types"}), ("rollback", {"to": 0})])
    def test_the_answer_says_what_became_of_a_pause(
        self, api: Caller, repo: Path, verb: tuple[str, dict[str, object]]
    ) -> None:
        name, body = verb
        id_ = api.start(repo)["id"]
        api.post(f"/executions/{id_}/pause")
        told = api.send("POST", f"/executions/{id_}/{name}", body).get_json()
        assert "stays paused" in told["message"]
        assert told["data"]["status"] == "paused"
        api.post(f"/executions/{id_}/resume")
        api.work(of={"0/types": [Failed("AGENT_ERROR", "It broke", retryable=False)]})
        assert api.get(f"/executions/{id_}")["reason"] == "blocked"
        told = api.send("POST", f"/executions/{id_}/{name}", body).get_json()
        assert "it was blocked and goes on" in told["message"]
        assert told["data"]["status"] == "running"

    def test_done_again_it_still_waits_for_what_else_blocks_it(
        self, api: Caller, repo: Path
    ) -> None:
        id_ = api.start(repo)["id"]
        api.work(of={"0/types": [Failed("AGENT_ERROR", "It broke", retryable=False)]})
        told = api.send("POST", f"/executions/{id_}/rerun", {"task": "0/routes"}).get_json()
        assert told["data"]["status"] == "paused"
        assert "it stays paused, as before: 0/types (failed)" in told["message"]
        assert told["message"].endswith("`conductor skip 0/types --reason WHY`")
