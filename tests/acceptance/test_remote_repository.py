"""A project that is a URL: real workers clone it, work beside each other, and push what they made.

The remote is a bare repository; nobody but git ever writes to it.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from conductor_app.engine import control, projects, start
from conductor_app.engine.rerun import rerun
from conductor_app.store.tables import check_results, executions, jobs, phases, tasks
from conductor_app.workflows import loader
from tests.faults.cluster import USUAL, Cluster

TEMPLATE = """
name: house
title: Two walls and a roof
inputs:
  control: {type: string, description: "Where the agents tell what they do"}
agents:
  left: {title: Left, function: "tests.faults.agents:Writes"}
  right: {title: Right, function: "tests.faults.agents:Writes"}
phases:
  - number: 0
    name: House
    tasks:
      - {key: left, title: Left wall, agent: left, needs: []}
      - {key: right, title: Right wall, agent: right, needs: []}
      - {key: roof, title: Roof, agent: left, needs: [left, right], milestone: covered,
         checks: [{kind: command, name: Walls stand, run: "test -e 0-left.txt -a -e 0-right.txt"}]}
    milestones:
      - key: covered
        name: Covered
        checks: [{kind: file, name: The roof is there, path: 0-roof.txt, contains: ["0/roof"]}]
"""
KEYS = ["0/left", "0/right", "0/roof"]


def git(place: Path, *arguments: str) -> str:
    told = subprocess.run(
        ["git", "-C", str(place), *arguments], check=True, capture_output=True, text=True
    )
    return told.stdout.strip()


@pytest.fixture(params=["sqlite", "postgresql"])
def cluster(request: pytest.FixtureRequest, home: Path) -> Iterator[Cluster]:
    chosen = {}
    if request.param == "postgresql":
        chosen["database_url"] = request.getfixturevalue("postgresql_url")
    with Cluster(home, **chosen) as made:
        yield made


@pytest.fixture
def remote(cluster: Cluster, tmp_path: Path) -> Path:
    """A bare repository with one commit on main."""
    bare = tmp_path / "remote.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(cluster.repository), str(bare))
    return bare


def begin(cluster: Cluster, remote: Path) -> str:
    loaded = loader.parse(TEMPLATE, "house.yml")
    inputs = loaded.workflow.parse_inputs({"control": str(cluster.control)})
    wanted = start.Wanted(
        loaded.workflow,
        loaded.version,
        "house.yml",
        loaded.text,
        inputs=inputs,
        auto_advance=False,
    )
    with cluster.conductor.transaction() as tx:
        project = projects.find_or_create(tx, f"file://{remote}")
        return start.start(tx, project.id, wanted)


def validated(cluster: Cluster, one: str) -> bool:
    with cluster.conductor.read() as tx:
        row = tx.first(select(phases).where(phases.c.execution_id == one, phases.c.current))
    return row is not None and row.verdict == "passed"


def commits(remote: Path, one: str) -> list[tuple[str, str]]:
    """The branch's commits after main, the oldest first: hash, and the task's key if it has one."""
    form = "--format=%H %(trailers:key=Conductor-Task,valueonly,separator=)"
    lines = git(remote, "log", "--reverse", form, f"main..conductor/{one}").splitlines()
    pairs = (line.partition(" ") for line in lines)
    return [(sha, key) for sha, _, key in pairs]


def content(remote: Path, one: str, file: str) -> str:
    return git(remote, "show", f"conductor/{one}:{file}")


def test_workers_clone_push_and_take_back(cluster: Cluster, remote: Path) -> None:
    before = git(remote, "rev-parse", "main")
    cluster.start(*USUAL)
    one = begin(cluster, remote)
    cluster.wait(lambda: validated(cluster, one), "the phase is validated")

    made = commits(remote, one)
    assert sorted(key for _, key in made) == KEYS
    assert made[-1][1] == "0/roof"
    with cluster.conductor.read() as tx:
        rows = tx.all(select(tasks).where(tasks.c.execution_id == one, tasks.c.current))
        checks = tx.all(select(check_results).where(check_results.c.execution_id == one))
        tip = tx.value(select(executions.c.tip).where(executions.c.id == one))
    assert {(row.commit, row.key) for row in rows} == set(made)
    assert {row.verdict for row in checks} == {"passed"} and len(checks) == 2
    assert tip == made[-1][0] == git(remote, "rev-parse", f"conductor/{one}")
    assert git(remote, "rev-parse", "main") == before

    right = content(remote, one, "0-right.txt")
    left = content(remote, one, "0-left.txt")
    with cluster.conductor.transaction() as tx:
        assert rerun(tx, one, "0/left") == ["0/left", "0/roof"]
    cluster.wait(lambda: validated(cluster, one), "the phase is validated again")
    again = commits(remote, one)
    assert [key for _, key in again[3:]] == ["", "0/left", "0/roof"]
    told = git(remote, "show", "--no-patch", "--format=%(trailers)", again[3][0])
    assert all(sha in told for sha, key in made if key != "0/right")
    assert sorted(git(remote, "ls-tree", "--name-only", again[3][0]).split()) == sorted(
        {*git(remote, "ls-tree", "--name-only", "main").split(), "0-right.txt"}
    )
    assert content(remote, one, "0-right.txt") == right
    assert content(remote, one, "0-left.txt") != left

    with cluster.conductor.transaction() as tx:
        control.advance(tx, one)
    cluster.reaches(one, "completed")
    tags = git(remote, "tag", "--list", f"conductor/{one}*").splitlines()
    assert len(tags) == 2
    with cluster.conductor.read() as tx:
        ended = tx.all(select(jobs.c.kind, jobs.c.status).where(jobs.c.execution_id == one))
    assert {row.status for row in ended} == {"succeeded"}
    assert not list(cluster.settings.places.worktrees.glob("*"))
