"""Worktrees that are hard to remove go all the same, and are no hindrance to the others."""

from pathlib import Path

import pytest

from tests.integration.test_workspace_attempts import kill_worker_at, project
from tests.unit.test_removal import DEEP, deepen
from workers.git import worktrees
from workers.git.errors import GitFailed
from workers.workspace import Repository, kept_ref

__all__ = ["project"]


@pytest.fixture
def repository(project: Path, tmp_path: Path) -> Repository:
    return Repository.open(str(project), tmp_path / "home")


def test_directories_without_end_are_removed_as_an_attempt_ends(repository: Repository) -> None:
    with repository.worktree("A1", repository.resolve("HEAD")) as worktree:
        (worktree.path / "work").write_text("work")
        (worktree.path / "deep").mkdir()
        deepen(worktree.path / "deep", DEEP)
    assert not worktree.path.exists()
    assert repository.resolve(kept_ref("A1"))


def test_what_is_deep_and_left_by_a_dead_worker_is_removed(repository: Repository) -> None:
    kill_worker_at("worktree.before_remove", repository)
    deepen(repository.home / "worktrees" / "A1", DEEP)
    assert repository.prune({"A1"}) == ["A1"]
    assert not list((repository.home / "worktrees").iterdir())


def test_one_that_resists_does_not_save_the_others(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = repository.home / "worktrees"
    for attempt in ("A1", "A2"):
        (home / attempt).mkdir(parents=True)
    remove = worktrees.remove_tree

    def resists(path: Path) -> None:
        if path.name == "A1":
            raise RecursionError("maximum recursion depth exceeded")
        remove(path)

    monkeypatch.setattr(worktrees, "remove_tree", resists)
    with pytest.raises(GitFailed, match="A1: maximum recursion"):
        repository.prune({"A1", "A2"})
    assert sorted(each.name for each in home.iterdir()) == ["A1", "A1.lock"]
