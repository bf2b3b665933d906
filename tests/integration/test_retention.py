"""What is forgotten in time, and what never is, on both databases."""

import fcntl
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from beat import retention
from beat.schedule import schedule
from conductor_app.bootstrap import Conductor
from conductor_app.domain.workflow import Setup
from conductor_app.queue import MemoryQueue
from conductor_app.settings import Settings
from conductor_app.store import idempotency
from conductor_app.store.tables import attempts, executions, idempotency_keys, projects
from conductor_app.store.tables import workers as worker_table
from tests.fakes.engine import Engine, engine_on, phase, task, workflow
from workers import environment
from workers.environment import prepare
from workers.git.names import attempt_ref, kept_ref
from workers.sandbox import Sandbox
from workers.workspace import Repository

A_DAY = 24 * 3600.0


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as opened:
        yield opened


@pytest.fixture
def forget(engine: Engine, home: Path) -> Callable[[], bool]:
    conductor = Conductor(Settings.load(home), engine.database, MemoryQueue())
    return lambda: retention.forget(conductor)


def project(tmp_path: Path, url: bool) -> str:
    place = tmp_path / "project"
    identity = ["-c", "user.name=O", "-c", "user.email=o@example.org"]
    subprocess.run(["git", "init", "--quiet", str(place)], check=True)
    start = ["git", "-C", str(place), *identity, "commit", "--quiet", "--allow-empty", "-m", "S"]
    subprocess.run(start, check=True)
    return f"file://{place}" if url else str(place)


def ended(engine: Engine, location: str) -> tuple[str, str]:
    """An execution that is over in the repository, and its attempt."""
    one = engine.start(workflow(phase(task("a", files=True))))
    engine.run()
    assert engine.status(one) == "completed"
    engine.change(projects, projects.c.id == engine.execution(one).project_id, location=location)
    return one, engine.rows(select(attempts.c.id).where(attempts.c.execution_id == one))[0].id


def refs(location: str) -> str:
    place = location.removeprefix("file://")
    listed = ["git", "-C", place, "for-each-ref", "--format=%(refname)", "refs/conductor"]
    return subprocess.run(listed, check=True, capture_output=True, text=True).stdout


def test_it_happens_once_an_hour_whoever_asks(engine: Engine, forget: Callable[[], bool]) -> None:
    assert forget()
    assert not forget()
    engine.later(3601)
    assert forget()


def test_answers_and_silent_workers_go_after_a_day(
    engine: Engine, forget: Callable[[], bool]
) -> None:
    def begin(name: str) -> None:
        engine.register(name, ["agent.models"], 1)
        engine.do(idempotency.reserve, name, "request")

    begin("old")
    engine.later(A_DAY / 2)
    begin("new")
    engine.later(A_DAY / 2 + 1)
    forget()
    assert [row.key for row in engine.rows(select(idempotency_keys))] == ["new"]
    assert [row.id for row in engine.rows(select(worker_table))] == ["new"]


@pytest.mark.parametrize("url", [False, True], ids=["path", "url"])
def test_hidden_refs_go_a_month_after_the_end(
    engine: Engine, forget: Callable[[], bool], tmp_path: Path, home: Path, url: bool
) -> None:
    location = project(tmp_path, url)
    _, attempt = ended(engine, location)
    repository = Repository.open(location, home)
    commit = repository.resolve("HEAD")
    for name in (attempt, "somebody-elses"):
        repository.refs.put(attempt_ref(name), commit)
    repository.git.run("update-ref", kept_ref(attempt), commit)
    engine.later(29 * A_DAY)
    forget()
    assert attempt_ref(attempt) in refs(location)
    engine.later(2 * A_DAY)
    forget()
    assert refs(location).split() == [attempt_ref("somebody-elses")]
    mirrored = repository.git.run("for-each-ref", "--format=%(refname)", "refs/conductor")
    assert mirrored == attempt_ref("somebody-elses")


def test_a_repository_that_is_away_keeps_nothing_else_from_being_forgotten(
    engine: Engine, forget: Callable[[], bool], tmp_path: Path, home: Path
) -> None:
    one, _ = ended(engine, str(tmp_path / "gone"))
    other = engine.start(workflow(phase(task("b"))))
    backups = Settings.load(home).places.backups
    for name in (one, other, "made-by-hand"):
        (backups / name).mkdir(parents=True)
        (backups / name / "before-phase-1.json").write_text("{}")
    (backups / "conductor-monday.db").write_text("kept by a person")
    engine.later(31 * A_DAY)
    assert forget()
    kept = sorted(path.name for path in backups.iterdir())
    assert kept == sorted([other, "made-by-hand", "conductor-monday.db"])


def test_environments_go_when_nobody_wanted_them_for_long(tmp_path: Path, home: Path) -> None:
    sandbox = Sandbox.detect("unconfined")
    environments = home / "environments"

    def prepared(command: str) -> Path:
        return prepare(Setup(run=command), tmp_path, home=home, sandbox=sandbox).path

    unwanted, wanted = prepared("echo unwanted"), prepared("echo wanted")
    unfinished = environments / "unfinished"
    unfinished.mkdir()
    unfinished.with_suffix(".lock").touch()
    for path in (unwanted.with_suffix(".ready"), wanted.with_suffix(".ready"), unfinished):
        os.utime(path, (1000, 1000))
    prepared("echo wanted")
    environment.forget(environments, before=2000)
    assert [path for path in environments.iterdir() if path.is_dir()] == [wanted]
    # One that somebody builds or looks at now is left alone.
    os.utime(wanted.with_suffix(".ready"), (1000, 1000))
    with wanted.with_suffix(".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        environment.forget(environments, before=2000)
    assert wanted.is_dir()
    assert prepared("echo unwanted").is_dir()


def test_it_is_on_the_schedule(home: Path) -> None:
    settings: Any = Settings.load(home)
    assert schedule(settings)["retention"]["task"] == "conductor.retention"


def test_nothing_is_forgotten_of_what_still_runs(
    engine: Engine, forget: Callable[[], bool], tmp_path: Path, home: Path
) -> None:
    location = project(tmp_path, url=False)
    one, attempt = ended(engine, location)
    with engine.database.transaction() as tx:
        tx.run(update(executions).values(status="paused", finished_at=None))
    Repository.open(location, home).refs.put(
        attempt_ref(attempt), Repository.open(location, home).resolve("HEAD")
    )
    engine.later(60 * A_DAY)
    forget()
    assert attempt in refs(location)
    assert engine.status(one) == "paused"
