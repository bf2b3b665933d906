"""Commands that only look, with no server running: they read the database as it is."""

import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from conductor_app import bootstrap
from conductor_app.cli.main import main
from conductor_app.engine import control
from conductor_app.engine.start import Wanted, start
from conductor_app.queue import MemoryQueue
from conductor_app.settings import Settings
from conductor_app.store import projects, workers
from conductor_app.workflows import loader
from tests.databases import give_schema

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `conductor` here: its exit code, standard output, standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        told = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, told.out, told.err

    return run


def begin(home: Path, location: str) -> str:
    """An execution of the bundled workflow on a project of this location; its id."""
    settings = Settings.load(home)
    give_schema(settings.database_url)
    loaded = loader.load("project-conductor")
    with bootstrap.connected(settings, MemoryQueue()) as conductor, conductor.transaction() as tx:
        project = projects.add(tx, Path(location).name, location)
        wanted = Wanted(
            loaded.workflow,
            loaded.version,
            loaded.workflow.name,
            loaded.text,
            inputs={"title": "Wishes"},
            connector="replay",
            target_phase=1,
        )
        return start(tx, project.id, wanted)


@pytest.fixture
def execution(home: Path, tmp_path: Path) -> str:
    return begin(home, str(tmp_path / "work"))


def test_status_without_a_server(run: Run, execution: str) -> None:
    code, told, _ = run("status")
    assert code == 0
    assert told.startswith(
        f"🎭 Orchestrator Status\n{'=' * 60}\n\nCurrent Phase: 0 - Initialization"
    )
    assert "  ⏳ Docker Environment\n" in told
    assert "  Failed: 0\n" in told
    assert f"Execution: {execution} is running" in told
    assert "Connector: replay" in told


def test_status_for_programs(run: Run, execution: str) -> None:
    code, told, _ = run("status", "--json")
    answer = json.loads(told)
    assert code == 0
    assert answer["success"] is True
    assert answer["data"]["executionId"] == execution
    assert answer["data"]["isRunning"] is True


def test_status_imports_no_broker_and_no_server(execution: str, home: Path) -> None:
    script = (
        "import sys\nfrom conductor_app.cli.main import main\n"
        "try:\n    main(['status'])\nexcept SystemExit as ended:\n    assert not ended.code\n"
        "slow = ('celery', 'kombu', 'flask', 'redis', 'rich', 'alembic', 'requests', 'yaml')\n"
        "print([name for name in slow if name in sys.modules], file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stderr.strip().splitlines()[-1] == "[]"


def test_status_spends_no_time_on_looking_for_garbage(execution: str, home: Path) -> None:
    script = (
        "import atexit, gc, sys\nfrom conductor_app.cli.main import main\nlooked = []\n"
        "gc.callbacks.append(lambda phase, _: looked.append(phase))\n"
        # What is registered first is done last.
        "atexit.register(lambda: print(len(looked), gc.get_freeze_count(), file=sys.stderr))\n"
        "main(['status'])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    looked, frozen = map(int, ran.stderr.split()[-2:])
    assert looked < 20
    assert frozen > 10_000


def test_looking_changes_nothing(run: Run, execution: str, home: Path) -> None:
    database = home / "conductor.db"
    before = database.read_bytes()
    for command in ("status", "tasks", "report", "dashboard", "workers"):
        assert run(command)[0] == 0
    assert database.read_bytes() == before


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("report", "Initialization"),
        ("dashboard", "System Health"),
        ("tasks", "0/base-types"),
        ("workers", "No worker is at work"),
    ],
)
def test_what_people_and_programs_get(run: Run, execution: str, command: str, words: str) -> None:
    code, told, _ = run(command)
    assert (code, words in told) == (0, True)
    code, told, _ = run(command, "--json")
    assert (code, json.loads(told)["success"]) == (0, True)


def test_tasks_say_what_is_replayed_and_what_lies_beyond_the_target(
    run: Run, execution: str
) -> None:
    _, told, _ = run("tasks")
    lines = told.splitlines()
    inside = next(line for line in lines if line.startswith("0/base-types"))
    outside = next(line for line in lines if line.startswith("2/"))
    assert " replay " in inside and " replay " in outside
    assert " beyond " in outside and "waiting" not in outside
    assert lines[-1].startswith("16 tasks of execution ")
    assert lines[-1].endswith(" beyond its target, phase 1.")
    _, told, _ = run("tasks", "--status", "waiting")
    assert "beyond" not in told
    code, told, _ = run("why", "0/base-types")
    assert (code, told.startswith("0/base-types (replay) is ")) == (0, True)


def test_workers_show_the_level_of_their_sandbox(run: Run, execution: str, home: Path) -> None:
    with bootstrap.connected(Settings.load(home), MemoryQueue()) as conductor:
        with conductor.transaction() as tx:
            base = {"host": "h", "pid": 1, "role": "agent", "queues": ["agent.models"], "slots": 4}
            workers.register(tx, id="w1", sandbox="auto", **base)
        assert " auto " in run("workers")[1]
        assert run("workers")[1].count("sandlock") == 0
        assert run("workers")[1].endswith("\n1 worker is at work.\n")
        with conductor.transaction() as tx:
            made = (
                "INSERT INTO attempts (id, execution_id, task_id, number, round, fence, worker_id, "
                "status, sandbox, started_at) SELECT 'a1', execution_id, id, 1, 1, 1, 'w1', "
                "'succeeded', 'sandlock', 1 FROM tasks WHERE key = '0/base-types'"
            )
            tx.run(text(made))
    assert " sandlock (auto) " in run("workers")[1]
    log = home / "artifacts" / execution / "a1" / "log.txt"
    log.parent.mkdir(parents=True)
    log.write_text("hello\n")
    assert run("logs", "base-types")[1].startswith(
        "==> 0/base-types attempt 1 (succeeded, sandlock): "
    )


def test_tasks_are_filtered(run: Run, execution: str) -> None:
    _, told, _ = run("tasks", "--phase", "1", "--agent", "agent-test", "--json")
    items = json.loads(told)["data"]["items"]
    assert [item["key"] for item in items] == ["1/api-tests"]
    code, _, problem = run("tasks", "--status", "asleep")
    assert code == 2
    assert "`asleep` is not one of" in problem
    code, _, problem = run("tasks", "--agent", "nope")
    assert code == 2
    assert "`nope` is not one of" in problem and "models" in problem
    assert run("tasks", "--phase", "1", "--agent", "test")[1].splitlines()[-1].startswith("1 task ")


def test_why_takes_a_key_with_or_without_its_phase(run: Run, execution: str) -> None:
    code, told, _ = run("why", "crud-api")
    assert code == 0
    assert told.startswith("1/crud-api (replay) is waiting. ")
    code, _, problem = run("why", "1/crud-apy")
    assert code == 1
    assert "Did you mean `1/crud-api`?" in problem


def test_an_execution_can_be_named(run: Run, execution: str) -> None:
    assert run("status", "--execution", execution)[0] == 0
    code, _, problem = run("status", "--execution", "01K")
    assert code == 1
    assert "no execution 01K" in problem


def test_of_several_executions_one_must_be_named(
    run: Run, execution: str, home: Path, tmp_path: Path
) -> None:
    other = begin(home, str(tmp_path / "other"))
    code, _, problem = run("status")
    assert code == 1
    assert execution in problem and other in problem
    assert f"{other} is running" in run("status", "--project", str(tmp_path / "other"))[1]


def test_a_project_that_is_not_known_is_named(run: Run, execution: str, tmp_path: Path) -> None:
    code, _, problem = run("status", "--project", str(tmp_path))
    assert code == 1
    assert "conductor run --project" in problem


def test_the_newest_is_shown_when_none_is_unfinished(run: Run, execution: str, home: Path) -> None:
    settings = Settings.load(home)
    with bootstrap.connected(settings, MemoryQueue()) as conductor, conductor.transaction() as tx:
        control.cancel(tx, execution)
    assert f"{execution} is cancelled" in run("status")[1]


def test_nothing_has_run_yet(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDUCTOR_HOME", str(tmp_path / "nothing"))
    for command in ("status", "report", "dashboard", "tasks"):
        code, _, problem = run(command)
        assert code == 3
        assert "conductor run" in problem
    assert not (tmp_path / "nothing").exists()


def test_an_older_schema_is_named_with_the_way_out(run: Run, home: Path) -> None:
    (home / "conductor.db").touch()
    code, _, problem = run("status")
    assert code == 1
    assert "no schema yet" in problem
    assert "conductor db upgrade" in problem


def test_a_newer_schema_is_refused(run: Run, home: Path, execution: str) -> None:
    with closing(sqlite3.connect(home / "conductor.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    for command in ("status", "report", "tasks", "dashboard"):
        code, told, problem = run(command)
        assert (code, told) == (1, "")
        assert "schema 9999" in problem and "newer" in problem


@pytest.mark.parametrize(
    "arguments",
    [
        ["start"],
        ["stop"],
        ["test"],
        ["advance"],
        ["rollback"],
        ["deploy", "models"],
        ["retry", "1/crud-api"],
        ["skip", "1/crud-api", "--reason", "no"],
        ["rerun", "1/crud-api"],
        ["cancel", "1/crud-api"],
    ],
)
def test_changing_something_needs_a_server(run: Run, execution: str, arguments: list[str]) -> None:
    code, told, problem = run(*arguments, "--json")
    assert code == 3
    assert "conductor up" in problem
    assert json.loads(told)["error"]["code"] == "unreachable"


def test_logs_of_attempts_and_of_the_stack(run: Run, execution: str, home: Path) -> None:
    code, _, problem = run("logs", "crud-api")
    assert code == 1
    assert "conductor why" in problem
    (home / "logs" / "api.log").write_text("one\ntwo\n")
    code, told, _ = run("logs", "-n", "1")
    assert (code, told) == (0, f"==> api: {home}/logs/api.log\ntwo\n")


def test_following_logs_shows_what_is_added(home: Path) -> None:
    log = home / "logs" / "api.log"
    log.write_text("old\n")
    command = [sys.executable, "-u", "-m", "conductor_app.cli.main", "logs", "-f"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as following:
        giving_up = threading.Timer(60, following.kill)
        giving_up.start()
        assert following.stdout is not None
        assert following.stdout.readline().startswith("==> api")
        assert following.stdout.readline() == "old\n"
        with log.open("a") as stream:
            stream.write("new\n")
        assert following.stdout.readline() == "api | new\n"
        giving_up.cancel()
        following.kill()


def test_status_is_quick(execution: str) -> None:
    """A generous bound, for machines that do other things too; benchmarks measure it."""
    started = time.monotonic()
    command = [sys.executable, "-m", "conductor_app.cli.main", "status"]
    subprocess.run(command, check=True, capture_output=True)
    assert time.monotonic() - started < 10
