"""Milestones, checks and jobs over HTTP: read with their evidence, validated on demand."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from conductor_app.domain.outcome import Judged
from tests.api_caller import Caller, calling, repository
from tests.fakes.worker import judgements


@pytest.fixture
def api(home: Path) -> Iterator[Caller]:
    with calling(home) as caller:
        yield caller


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return repository(tmp_path / "repo")


def test_a_milestone_shows_the_evidence_it_was_completed_by(api: Caller, repo: Path) -> None:
    api.start(repo)
    api.work()
    listed = api.get("/milestones", phase=0)["items"]
    assert [(each["key"], each["status"]) for each in listed] == [("0/basis", "completed")]
    told = api.get(f"/milestones/{listed[0]['id']}")
    assert [each["verdict"] for each in told["checks"]] == ["passed"]
    assert told["checks"][0]["evidence"]["exit_code"] == 0
    assert [each["key"] for each in told["tasks"]] == ["0/types"]
    assert api.get("/milestones", status="pending")["items"] == []
    assert api.get("/milestones/none", 404)["code"] == "not_found"


def test_a_milestone_is_validated_now_by_a_job(api: Caller, repo: Path) -> None:
    api.start(repo, auto_advance=False)
    api.work()
    milestone = api.get("/milestones")["items"][0]["id"]
    first = api.post(f"/milestones/{milestone}/validate", {}, 202, key="once")
    assert api.post(f"/milestones/{milestone}/validate", {}, 202, key="once") == first
    api.work()
    job = api.get(f"/jobs/{first['job_id']}")
    assert (job["kind"], job["status"]) == ("check", "succeeded")
    assert [each["role"] for each in job["checks"]] == ["milestone"]


def test_checks_are_found_by_role_subject_and_verdict(api: Caller, repo: Path) -> None:
    api.start(repo)
    api.work(of={"phase/0": [lambda taken: Judged(judgements(taken, "failed", "No"), None)]})
    failed = api.get("/checks", verdict="failed")["items"]
    assert [(each["role"], each["name"]) for each in failed] == [("exit", "it starts")]
    assert api.get(f"/checks/{failed[0]['id']}") == failed[0]
    assert api.get("/checks", role="milestone", subject="0/basis")["items"]
    assert api.get("/checks", 422, verdict="perhaps")["code"] == "invalid_fields"
    assert api.get("/checks/none", 404)["code"] == "not_found"


def test_the_current_phase_is_validated_now_by_a_job(api: Caller, repo: Path) -> None:
    id_ = api.start(repo)["id"]
    job = api.post("/checks/validate", {"execution": id_}, 202)["job_id"]
    other = api.post("/checks/validate", {"execution": id_, "milestone": "0/basis"}, 202)["job_id"]
    api.work()
    assert [each["role"] for each in api.get(f"/jobs/{job}")["checks"]] == ["exit"]
    assert [each["role"] for each in api.get(f"/jobs/{other}")["checks"]] == ["milestone"]
    body = {"execution": id_, "milestone": "0/nothing"}
    assert api.post("/checks/validate", body, 409)["code"] == "refused"
    assert api.get("/jobs/none", 404)["code"] == "not_found"
