"""What a newcomer types, as a process: the bundled workflow, replayed to its verified end."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from conductor_app.stack import embedded


def git(repository: str, *arguments: str) -> str:
    command = ["git", "-C", repository, *arguments]
    return subprocess.run(command, text=True, capture_output=True, check=True).stdout


def test_the_bundled_workflow_runs_to_its_verified_end(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The fresh repository is beside the data directory, and ends with the test.
    data = home / "data"
    monkeypatch.setenv("CONDUCTOR_HOME", str(data))
    command = [sys.executable, "-m", "conductor_app.cli.main", "run", "--json"]
    ran = subprocess.run(command, text=True, capture_output=True, timeout=900)
    assert ran.returncode == 0, ran.stderr
    # Who does the work, and what it may cost, comes before the first task.
    before, begins, _ = ran.stderr.partition("started by agent-models")
    assert begins
    assert "recorded turns" in before and "nothing is spent" in before
    assert "Phase 1 is the last one recorded" in before

    told = json.loads(ran.stdout)["data"]
    execution, repository = told["execution"], told["repository"]
    assert (execution["status"], execution["replay"]) == ("completed", True)
    done = [phase for phase in told["phases"] if phase["inside"]]
    assert [phase["status"] for phase in done] == ["completed", "completed"]
    milestones = [each for phase in done for each in phase["milestones"]]
    assert len(milestones) == 10
    assert {each["status"] for each in milestones} == {"completed"}
    for each in milestones:
        assert "passed" in {check["verdict"] for check in each["checks"]}
        assert "failed" not in {check["verdict"] for check in each["checks"]}
    mended = [task for phase in done for task in phase["tasks"] if task["retries"]]
    assert mended and all(task["status"] == "completed" for task in mended)
    assert [phase["recorded"] for phase in told["phases"]] == [True, True, *[False] * 4]

    on_branch = git(repository, "log", "--format=%H", execution["branch"]).split()
    assert {commit["commit"] for commit in told["commits"]} <= set(on_branch)
    assert "app/__init__.py" in git(repository, "ls-tree", "-r", "--name-only", execution["branch"])
    assert Path(repository).parent == home
    assert embedded.find(data) is None
