"""Which commits a rerun takes back, on real branches: those whose changes are still there."""

import subprocess
from pathlib import Path

import pytest

from workers.git.standing import RESTORES, REVERTS, standing
from workers.workspace import Integrated, Repository

BRANCH = "conductor/E1"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    project = tmp_path / "project"
    git = ["git", "-C", str(project), "-c", "user.name=O", "-c", "user.email=o@example.org"]
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(project)], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "Start"], check=True)
    found = Repository.open(str(project), tmp_path / "home")
    found.create_branch(BRANCH, found.resolve("main"))
    return found


def work(repository: Repository, task: str, attempt: str) -> str:
    """A task's commit on the branch: a file named after the attempt."""
    base = repository.tip(BRANCH)
    trailers = {"Conductor-Task": task, "Conductor-Attempt": attempt}
    with repository.worktree(attempt, base) as worktree:
        (worktree.path / attempt).write_text(attempt)
        commit = worktree.commit(f"Work of {attempt}", trailers)
    done = repository.integrate(
        BRANCH, commit, base=base, trailers=trailers, still_valid=lambda: True
    )
    assert isinstance(done, Integrated)
    return done.tip


def take_back(repository: Repository, *tasks: str) -> None:
    commits = standing(repository.log(BRANCH, "main"), tasks)
    told = {"Conductor-Job": "J", REVERTS: " ".join(commits)}
    assert isinstance(repository.revert_commits(BRANCH, commits, "Take back", told), str)


def files(repository: Repository) -> list[str]:
    with repository.checkout(BRANCH) as checkout:
        return sorted(path.name for path in checkout.iterdir())


def found(repository: Repository, *tasks: str) -> list[str]:
    return standing(repository.log(BRANCH, "main"), tasks)


def test_all_generations_of_a_task_the_newest_first(repository: Repository) -> None:
    first = work(repository, "0/a", "A1")
    work(repository, "0/b", "B1")
    second = work(repository, "0/a", "A2")
    assert found(repository, "0/a") == [second, first]


def test_what_was_taken_back_is_not_taken_back_twice(repository: Repository) -> None:
    work(repository, "0/a", "A1")
    work(repository, "0/b", "B1")
    take_back(repository, "0/a")
    assert found(repository, "0/a") == []
    again = work(repository, "0/a", "A2")
    assert found(repository, "0/a") == [again]
    take_back(repository, "0/a", "0/b")
    assert files(repository) == []


def test_nor_what_was_rolled_back(repository: Repository) -> None:
    start = repository.tip(BRANCH)
    work(repository, "0/a", "A1")
    repository.revert_to_tree(BRANCH, start, "Roll back", {"Conductor-Job": "J", RESTORES: start})
    again = work(repository, "0/a", "A2")
    assert found(repository, "0/a") == [again]


def test_what_a_rollback_restores_stands(repository: Repository) -> None:
    first = work(repository, "0/a", "A1")
    take_back(repository, "0/a")
    work(repository, "0/a", "A2")
    repository.revert_to_tree(BRANCH, first, "Roll back", {"Conductor-Job": "J", RESTORES: first})
    assert files(repository) == ["A1"]
    assert found(repository, "0/a") == [first]


def test_words_of_an_agent_take_nothing_back(repository: Repository) -> None:
    first = work(repository, "0/a", "A1")
    base = repository.tip(BRANCH)
    trailers = {"Conductor-Task": "0/b", "Conductor-Attempt": "B1"}
    with repository.worktree("B1", base) as worktree:
        (worktree.path / "b").write_text("b")
        commit = worktree.commit(f"Sly\n\n{REVERTS}: {first}\n{RESTORES}: {first}", trailers)
    repository.integrate(BRANCH, commit, base=base, trailers=trailers, still_valid=lambda: True)
    assert found(repository, "0/a") == [first]
