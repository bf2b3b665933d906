"""What a newcomer types, as a process: the bundled workflow, replayed to its verified end.

One run serves all tests: what it says, what it leaves in the repository, and the service that the
recorded agents have built.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from conductor_app import recordings
from conductor_app.stack import embedded
from conductor_app.workflows import loader
from tests.conftest import FOREIGN_VARIABLES
from workers.bench import open_bench
from workers.sandbox import Sandbox
from workers.workspace import Repository

NAME = "project-conductor"
RECORDED = recordings.recorded_attempts(NAME)
FAILS_AT_FIRST = "1/crud-api"


@dataclass(frozen=True)
class Told:
    """What the run has said: its report, and what came before the first task."""

    house: Path
    report: dict[str, Any]
    before: str

    @property
    def phases(self) -> list[dict[str, Any]]:
        return [phase for phase in self.report["phases"] if phase["inside"]]

    @property
    def tasks(self) -> dict[str, dict[str, Any]]:
        return {task["key"]: task for phase in self.phases for task in phase["tasks"]}

    @property
    def branch(self) -> str:
        return str(self.report["execution"]["branch"])

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", self.report["repository"], *arguments]
        return subprocess.run(command, text=True, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    # The fresh repository is beside the data directory, and ends with the tests.
    house = Path(tempfile.mkdtemp(prefix="conductor-test-", dir="/tmp"))
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("CONDUCTOR_") and name not in FOREIGN_VARIABLES
    }
    try:
        ran = subprocess.run(
            [sys.executable, "-m", "conductor_app.cli.main", "run", "--json"],
            env={**kept, "CONDUCTOR_HOME": str(house / "data"), "CONDUCTOR_LIVE_CALLS": "false"},
            text=True,
            capture_output=True,
            timeout=900,
        )
        assert ran.returncode == 0, ran.stderr
        before, begins, _ = ran.stderr.partition("started by agent-models")
        assert begins
        yield Told(house, json.loads(ran.stdout)["data"], before)
    finally:
        embedded.stop(house / "data")
        shutil.rmtree(house)


def test_who_does_the_work_and_what_it_may_cost_comes_before_the_first_task(told: Told) -> None:
    assert "recorded turns" in told.before and "nothing is spent" in told.before
    assert "Phase 1 is the last one recorded" in told.before


def test_the_recorded_phases_are_completed(told: Told) -> None:
    execution = told.report["execution"]
    assert (execution["status"], execution["replay"]) == ("completed", True)
    assert [phase["status"] for phase in told.phases] == ["completed", "completed"]
    assert [phase["recorded"] for phase in told.report["phases"]] == [True, True, *[False] * 4]


def test_every_milestone_has_its_evidence(told: Told) -> None:
    milestones = [each for phase in told.phases for each in phase["milestones"]]
    assert len(milestones) == 10
    for each in milestones:
        verdicts = {check["verdict"] for check in each["checks"]}
        assert each["status"] == "completed"
        assert "passed" in verdicts and "failed" not in verdicts


def test_exit_criteria_and_phase_tests_pass(told: Told) -> None:
    for phase in told.phases:
        for place in ("exit_criteria", "tests"):
            verdicts = {check["verdict"] for check in phase[place]}
            assert "passed" in verdicts and "failed" not in verdicts


def test_the_last_attempt_of_each_task_passes_its_checks(told: Told) -> None:
    for task in told.tasks.values():
        checks = task["attempts"][-1]["checks"]
        assert checks and "failed" not in {check["verdict"] for check in checks}


def test_every_task_of_these_phases_was_done_as_recorded(told: Told) -> None:
    assert set(told.tasks) == set(RECORDED)
    done = {key: len(task["attempts"]) for key, task in told.tasks.items()}
    assert done == {key: len(attempts) for key, attempts in RECORDED.items()}
    assert {task["status"] for task in told.tasks.values()} == {"completed"}


def test_only_the_attempt_that_is_meant_to_fail_does(told: Told) -> None:
    """And for the reason that it was written for."""
    failed = {
        key: [attempt for attempt in task["attempts"] if attempt["status"] == "failed"]
        for key, task in told.tasks.items()
    }
    assert [key for key, attempts in failed.items() if attempts] == [FAILS_AT_FIRST]
    (attempt,) = failed[FAILS_AT_FIRST]
    (problem,) = [check for check in attempt["checks"] if check["verdict"] == "failed"]
    assert problem["name"] == "Pages follow each other without gap or overlap"


def test_the_branch_has_one_commit_of_each_task(told: Told) -> None:
    done = {commit["task"]: commit["commit"] for commit in told.report["commits"]}
    assert set(done) == set(RECORDED)
    trailers = "--format=%(trailers:key=Conductor-Task,valueonly,separator=)"
    on_branch = told.git("log", trailers, f"HEAD..{told.branch}").split()
    assert sorted(on_branch) == sorted(RECORDED)
    assert set(done.values()) <= set(told.git("log", "--format=%H", told.branch).split())


def test_everything_that_it_started_has_ended(told: Told) -> None:
    assert Path(told.report["repository"]).parent == told.house
    assert embedded.find(told.house / "data") is None


def test_the_built_service_answers(told: Told, tmp_path: Path) -> None:
    repository = Repository.open(told.report["repository"], tmp_path)
    with open_bench(
        repository,
        repository.tip(told.branch),
        workflow=loader.load(NAME).workflow,
        sandbox=Sandbox.detect("auto"),
        home=tmp_path,
        artifacts=tmp_path / "artifacts",
    ) as bench:
        url = bench.services.running("api").url + "/api/v1/requirements"
        made = requests.post(url, json={"title": "Sign in"}, headers={"X-Actor": "ada"}, timeout=5)
        assert made.status_code == 201
        identifier = made.json()["data"]["id"]
        trail = requests.get(f"{url}/{identifier}/audit", timeout=5).json()["data"]
        assert [(entry["actor"], entry["action"]) for entry in trail] == [("ada", "created")]
