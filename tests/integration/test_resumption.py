"""Where an attempt goes on, and every reason to start over: on real worktrees and transcripts."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from conductor_app.cli.demo_repository import create_demo_repository
from conductor_app.engine.claim import Claim
from tests.fakes.scripted_connector import ScriptedConnector, Step, says
from tests.unit.test_loop import Attempt, write
from workers import resumption
from workers.failures import AttemptFailed
from workers.resumption import Start, goes_on
from workers.suspension import Suspend
from workers.turns import Message, Turn
from workers.workspace import Repository, kept_ref

TESTED = says("", ("run_command", {"command": "true"}))


def breaks(_: Sequence[Message]) -> Turn:
    raise AttemptFailed("TEMPORARY_FAILURE", "The connection was cut.")


@dataclass
class Work:
    """A repository, and the attempts at a task in it that had to wait."""

    folder: Path
    repository: Repository

    def attempt(self, id_: str, *steps: Step, start: Start | None = None, kept: bool = True) -> str:
        """It has these turns, and then its connection is cut."""
        base = self.repository.resolve("HEAD")
        begins = start or Start(base)
        with self.repository.worktree(id_, begins.base or base, begins.files) as worktree:
            run = Attempt(
                worktree.path.parent,
                ScriptedConnector([*steps, breaks]),
                worktree=worktree.path,
                artifacts=self.folder / "artifacts" / id_,
                earlier=begins.earlier,
                header=begins.header("scripted"),
            )
            with pytest.raises(Suspend):
                run.run()
            if kept:
                worktree.keep(id_)
        return id_

    def next(self, *earlier: str, connector: str = "scripted") -> Start | None:
        claim = SimpleNamespace(earlier=earlier, task_key="0/a")
        artifacts = self.folder / "artifacts"
        return goes_on(cast(Claim, claim), connector, artifacts, self.repository)

    def files(self, start: Start) -> dict[str, str]:
        with self.repository.worktree("look", start.base or "", start.files) as worktree:
            return {path.name: path.read_text() for path in worktree.path.glob("*.txt")}


@pytest.fixture
def work(tmp_path: Path) -> Work:
    create_demo_repository(tmp_path / "project")
    return Work(tmp_path, Repository.open(str(tmp_path / "project"), tmp_path / "home"))


def named(name: str) -> Turn:
    return write(f"{name}.txt")


def test_the_files_are_those_of_the_last_turn(work: Work) -> None:
    start = work.next(work.attempt("A1", named("one"), named("two")))
    assert start is not None and start.earlier is not None
    assert len(start.earlier.exchanges) == 2
    assert work.files(start) == {"one.txt": "one.txt", "two.txt": "two.txt"}


def test_one_after_the_other(work: Work) -> None:
    """The second one goes on with the first one's, the third with both."""
    second = work.next(work.attempt("A1", named("one")))
    third = work.next(work.attempt("A2", named("two"), start=second), "A1")
    assert third is not None and third.earlier is not None
    assert len(third.earlier.exchanges) == 2
    assert set(work.files(third)) == {"one.txt", "two.txt"}
    assert third.base == work.repository.resolve("HEAD")


def test_one_that_never_began_is_passed_over(work: Work) -> None:
    work.attempt("A1", named("one"))
    start = work.next("A2", "A1")
    assert start is not None and set(work.files(start)) == {"one.txt"}


def test_nothing_need_have_changed(work: Work) -> None:
    start = work.next(work.attempt("A1", TESTED))
    assert start is not None and start.earlier is not None and start.earlier.changed
    assert work.files(start) == {}


def test_the_branch_may_have_moved_meanwhile(work: Work) -> None:
    before = work.repository.resolve("HEAD")
    work.attempt("A1", named("one"))
    commit(work.folder / "project")
    start = work.next("A1")
    assert start is not None and start.base == before != work.repository.resolve("HEAD")


def commit(project: Path) -> None:
    identity = ("-c", "user.name=A", "-c", "user.email=a@localhost")
    more = ("commit", "--quiet", "--allow-empty", "-m", "More")
    subprocess.run(["git", "-C", str(project), *identity, *more], check=True)


def test_without_its_files_it_starts_over(work: Work) -> None:
    work.attempt("A1", named("one"))
    work.repository.git.run("update-ref", "-d", kept_ref("A1"))
    assert work.next("A1") is None


def test_files_that_are_somebody_elses_are_not_taken(work: Work) -> None:
    work.attempt("A1", named("one"))
    commit(work.folder / "project")
    commit(work.folder / "project")
    work.repository.git.run("update-ref", kept_ref("A1"), work.repository.resolve("HEAD"))
    assert work.next("A1") is None


def test_with_another_connector_it_starts_over(work: Work) -> None:
    assert work.next(work.attempt("A1", named("one")), connector="codex") is None


def test_after_a_turn_that_was_cut_off_it_starts_over(work: Work) -> None:
    work.attempt("A1", named("one"), named("two"))
    file = work.folder / "artifacts" / "A1" / "transcript.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines[:-2]))
    assert work.next("A1") is None


def test_nobody_is_there_to_go_on_from(work: Work) -> None:
    assert work.next() is None
    assert work.next("A1", "A2") is None


def test_one_whose_process_still_works_is_left_alone(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resumption, "PATIENCE", 0.2)
    work.attempt("A1", named("one"))
    with work.repository.worktree("A1", work.repository.resolve("HEAD")) as worktree:
        assert work.next("A1") is None
        assert worktree.path.is_dir()


def test_git_that_fails_is_no_end(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise resumption.GitFailed("The disk is gone.")

    work.attempt("A1", named("one"))
    monkeypatch.setattr(Repository, "left_by", fails)
    assert work.next("A1") is None
