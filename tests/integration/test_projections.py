"""The files of .conductor: the document's formats, whole at every moment, read by nobody."""

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from beat import projections
from conductor_app.bootstrap import Conductor
from conductor_app.domain.outcome import Failed
from conductor_app.engine import control, lessons
from conductor_app.engine.start import Wanted, start
from conductor_app.settings import Settings
from conductor_app.store import projects, records, tables
from conductor_app.store.tables import progress
from conductor_app.wholefile import write_whole
from tests.fakes.engine import Engine, check, engine_on, milestone, phase, task, workflow

FLOW = workflow(
    phase(
        task("a", milestone="m", retry={"base": 0}),
        task("b", "realtime", needs=["a"]),
        milestones=[milestone("m", check())],
    ),
    phase(task("c", "test")),
)
FILES = {"state.json", "progress.md", "errors.log", "lessons.json", "dashboard.md"}


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as engine:
        yield engine


@pytest.fixture
def conductor(engine: Engine, home: Path) -> Conductor:
    return Conductor(Settings.load(home), engine.database, engine.queue)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    place = tmp_path / "project"
    git(tmp_path, "init", "-q", "project")
    (place / "README.md").write_text("mine\n")
    git(place, "add", "README.md")
    git(place, "-c", "user.name=U", "-c", "user.email=u@x", "commit", "-qm", "Start")
    return place


def git(place: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=place, check=True, capture_output=True, text=True
    ).stdout


def started(engine: Engine, location: str | Path, **wanted: Any) -> str:
    with engine.database.transaction() as tx:
        project = projects.add(tx, "demo", str(location))
        version = str(len(FLOW.model_dump_json()))
        return start(tx, project.id, Wanted(FLOW, version, "test", "", **wanted))


def state_of(repository: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((repository / ".conductor" / "state.json").read_text())
    return found


def test_all_files_are_there_and_git_does_not_see_them(
    engine: Engine, conductor: Conductor, repository: Path
) -> None:
    started(engine, repository)
    projections.refresh(conductor)
    projections.refresh(conductor)
    assert {file.name for file in (repository / ".conductor").iterdir()} == FILES
    assert git(repository, "status", "--porcelain") == ""
    exclude = (repository / ".git" / "info" / "exclude").read_text().splitlines()
    assert exclude.count("/.conductor/state.json") == 1


def test_what_git_ignores_already_stays_in_whatever_encoding(
    engine: Engine, conductor: Conductor, repository: Path
) -> None:
    exclude = repository / ".git" / "info" / "exclude"
    exclude.parent.mkdir(exist_ok=True)
    exclude.write_bytes("Entwürfe/\n".encode("latin-1"))
    started(engine, repository)
    projections.refresh(conductor)
    assert exclude.read_bytes().startswith(b"Entw\xfcrfe/\n/.conductor/")


def test_the_project_s_own_settings_stay_visible_to_git(
    engine: Engine, conductor: Conductor, repository: Path
) -> None:
    (repository / ".conductor").mkdir()
    (repository / ".conductor" / "conductor.yml").write_text("workflow: w\n")
    started(engine, repository)
    projections.refresh(conductor)
    assert git(repository, "status", "--porcelain", "-uall") == "?? .conductor/conductor.yml\n"


def test_a_worktree_hides_them_in_the_repository_it_belongs_to(
    engine: Engine, conductor: Conductor, repository: Path, tmp_path: Path
) -> None:
    git(repository, "worktree", "add", "-q", "--detach", str(tmp_path / "tree"))
    started(engine, tmp_path / "tree")
    projections.refresh(conductor)
    assert (tmp_path / "tree" / ".conductor" / "state.json").is_file()
    assert git(tmp_path / "tree", "status", "--porcelain") == ""


def test_the_state_has_the_document_s_fields(
    engine: Engine, conductor: Conductor, repository: Path
) -> None:
    started(engine, repository)
    failure = Failed("AGENT_ERROR", "It broke.", retryable=False)
    engine.run(outcomes={"0/b": [failure]})
    projections.refresh(conductor)
    state = state_of(repository)
    assert state["currentPhase"] == 0
    assert state["completedPhases"] == state["activeAgents"] == []
    assert state["phaseStatuses"] == {"0": "in_progress", "1": "pending"}
    assert state["milestones"]["phase-0-m"]["status"] == "validating"
    assert [each["status"] for each in state["tasks"]] == ["completed", "failed", "waiting"]
    assert state["metrics"]["agent-models"]["tasksCompleted"] == 1
    assert state["metrics"]["agent-realtime"]["tasksFailed"] == 1
    assert state["startedAt"] == state["lastUpdated"] == "2027-01-15T08:00:00.000Z"
    assert state["autoAdvanceEnabled"] is True
    assert state["errors"] == [
        {
            "timestamp": "2027-01-15T08:00:00.000Z",
            "error": "It broke.",
            "severity": "high",
            "phase": 0,
            "agent": "agent-realtime",
            "task": "0/b",
        }
    ]
    assert (state["connector"], state["status"]) == ("replay", "paused")


def test_progress_is_recorded_as_it_changes_and_written_newest_last(
    engine: Engine, conductor: Conductor, repository: Path
) -> None:
    started(engine, repository)
    projections.refresh(conductor)
    engine.later(60)
    projections.refresh(conductor)
    engine.run(queues=["agent.models"])
    projections.refresh(conductor)
    assert (repository / ".conductor" / "progress.md").read_text() == (
        "## 2027-01-15T08:00:00Z\n"
        "- Phase: 0\n"
        "- Connector: replay\n"
        "- Phase Progress: 0.0%\n"
        "- Overall Progress: 0.0%\n"
        "- Active Tasks: 0\n"
        "- Completed Tasks: 0\n"
        "- Failed Tasks: 0\n"
        "- Estimated Completion: unknown\n"
        "\n"
        "## 2027-01-15T08:01:00Z\n"
        "- Phase: 0\n"
        "- Connector: replay\n"
        "- Phase Progress: 33.3%\n"
        "- Overall Progress: 25.0%\n"
        "- Active Tasks: 0\n"
        "- Completed Tasks: 1\n"
        "- Failed Tasks: 0\n"
        "- Estimated Completion: 2027-01-15T08:04:00Z\n"
    )
    assert len(engine.rows(progress.select())) == 2


def test_errors_are_logged_with_severity_agent_and_detail(
    engine: Engine, conductor: Conductor, repository: Path
) -> None:
    id_ = started(engine, repository)
    trace = "Traceback:\n[2020-01-01T00:00:00Z] [low] Phase 0 - forged: entry\n"
    engine.do(
        records.add_error,
        *(id_, 3, "medium", "TIMEOUT", "WebSocket\nconnection timeout"),
        detail=trace,
        agent="realtime",
    )
    engine.later(1)
    engine.do(records.add_error, id_, 3, "critical", "DISK", "The disk is full.")
    projections.refresh(conductor)
    lines = (repository / ".conductor" / "errors.log").read_text().splitlines()
    assert lines == [
        "[2027-01-15T08:00:00Z] [medium] Phase 3 - agent-realtime: WebSocket connection timeout",
        "    Traceback:",
        "    [2020-01-01T00:00:00Z] [low] Phase 0 - forged: entry",
        "[2027-01-15T08:00:01Z] [critical] Phase 3 - conductor: The disk is full.",
    ]


def test_what_moves_a_cursor_is_harmless_in_the_log_of_errors(
    engine: Engine, conductor: Conductor, repository: Path
) -> None:
    id_ = started(engine, repository)
    engine.do(
        records.add_error,
        *(id_, 0, "low", "AGENT_ERROR", "red \x1b[31mwords"),
        detail="\x1b[2J\x07\tgone\rforged\nnext",
    )
    projections.refresh(conductor)
    told = (repository / ".conductor" / "errors.log").read_bytes().decode()
    assert told == (
        "[2027-01-15T08:00:00Z] [low] Phase 0 - conductor: red \\x1b[31mwords\n"
        "    \\x1b[2J\\x07\tgone\\rforged\n    next\n"
    )


def test_lessons_have_the_document_s_fields(
    engine: Engine, conductor: Conductor, repository: Path
) -> None:
    id_ = started(engine, repository)
    engine.do(
        records.add_lesson,
        *(id_, "optimization", "Reduced it by 40%"),
        phase=2,
        agent="api",
        impact="Performance",
        action_taken="Cached",
    )
    projections.refresh(conductor)
    (lesson,) = json.loads((repository / ".conductor" / "lessons.json").read_text())
    assert lesson.pop("id")
    assert lesson == {
        "timestamp": "2027-01-15T08:00:00Z",
        "phase": 2,
        "agent": "agent-api",
        "category": "optimization",
        "description": "Reduced it by 40%",
        "impact": "Performance",
        "actionTaken": "Cached",
    }


def test_what_a_person_decides_of_a_lesson_is_shown_whenever_it_is(
    engine: Engine, conductor: Conductor, repository: Path
) -> None:
    """Also of an earlier execution, and long after the end of the newest."""

    def shown() -> list[str]:
        projections.refresh(conductor)
        found = json.loads((repository / ".conductor" / "lessons.json").read_text())
        return [each["description"] for each in found]

    earlier, newest = started(engine, repository), started(engine, repository)
    proposal = {"phase": None, "agent": None, "status": "proposed"}
    engine.do(records.add_lesson, earlier, "pattern", "Use tabs", **proposal)
    for each in (earlier, newest):
        engine.do(control.cancel, each)
    assert shown() == []
    engine.later(2 * projections.AFTERWARDS / 1000)
    (lesson,) = engine.rows(select(tables.lessons))
    engine.do(lessons.accept, lesson.id)
    assert shown() == ["Use tabs"]
    engine.do(lessons.reject, lesson.id)
    assert shown() == []


@pytest.mark.parametrize("damage", ["{", "", "[]", '{"lastEvent": 7}', "\udcff"])
def test_a_state_that_can_not_be_read_is_written_again(
    engine: Engine, conductor: Conductor, repository: Path, damage: str
) -> None:
    started(engine, repository)
    projections.refresh(conductor)
    file = repository / ".conductor" / "state.json"
    before = file.read_text()
    file.write_bytes(damage.encode("utf-8", "surrogateescape"))
    projections.refresh(conductor)
    assert file.read_text() == before


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_missing_file_is_written_again(
    engine: Engine, conductor: Conductor, repository: Path, name: str
) -> None:
    started(engine, repository)
    projections.refresh(conductor)
    (repository / ".conductor" / name).unlink()
    projections.refresh(conductor)
    assert {file.name for file in (repository / ".conductor").iterdir()} == FILES


def test_nothing_but_the_dashboard_and_progress_is_written_while_nothing_happens(
    engine: Engine, conductor: Conductor, repository: Path
) -> None:
    started(engine, repository)
    projections.refresh(conductor)
    folder = repository / ".conductor"
    before = {name: (folder / name).stat().st_ino for name in FILES}
    projections.refresh(conductor)
    changed = {name for name in FILES if (folder / name).stat().st_ino != before[name]}
    assert "state.json" not in changed and "dashboard.md" in changed


def test_the_end_is_written_too(engine: Engine, conductor: Conductor, repository: Path) -> None:
    started(engine, repository)
    projections.refresh(conductor)
    engine.run()
    projections.refresh(conductor)
    assert state_of(repository)["status"] == "completed"
    assert "Overall Progress: 100.0%" in (repository / ".conductor" / "progress.md").read_text()
    engine.later(7200)
    with conductor.read() as tx:
        assert projections.shown_executions(tx) == []


def test_the_files_tell_of_the_current_execution(
    engine: Engine, conductor: Conductor, repository: Path
) -> None:
    first = started(engine, repository)
    second = started(engine, repository)
    projections.refresh(conductor)
    assert state_of(repository)["executionId"] == second
    engine.do(control.cancel, second)
    projections.refresh(conductor)
    assert state_of(repository)["executionId"] == first


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    texts = [json.dumps({"n": n, "filler": "x" * 200_000}) for n in range(2)]
    write_whole(file, texts[0])
    done = threading.Event()

    def rewrite() -> None:
        for n in range(60):
            write_whole(file, texts[n % 2])
        done.set()

    writer = threading.Thread(target=rewrite)
    writer.start()
    while not done.is_set():
        assert file.read_text() in texts
    writer.join()
    assert os.listdir(tmp_path) == ["state.json"]


def test_projects_elsewhere_get_their_files_in_the_data_directory(
    engine: Engine, conductor: Conductor, home: Path
) -> None:
    id_ = started(engine, "https://example.org/project.git")
    projections.refresh(conductor)
    folder = home / "projections" / engine.execution(id_).project_id
    assert {file.name for file in folder.iterdir()} == FILES


def test_a_folder_that_is_a_link_is_not_followed(
    engine: Engine, conductor: Conductor, repository: Path, tmp_path: Path, home: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (repository / ".conductor").symlink_to(tmp_path / "outside")
    started(engine, repository)
    projections.refresh(conductor)
    assert list((tmp_path / "outside").iterdir()) == []
    assert len(list((home / "projections").glob("*/state.json"))) == 1


def test_files_that_can_not_be_written_stop_nothing(
    engine: Engine,
    conductor: Conductor,
    repository: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (repository / ".conductor").write_text("a file, where the folder should be")
    id_ = started(engine, repository)
    assert projections.write(conductor, id_) is False
    projections.refresh(conductor)
    assert re.search("files of project demo could not be written", caplog.text)
    engine.run()
    assert engine.status(id_) == "completed"
