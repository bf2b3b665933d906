"""Integration and rollback on a real repository, by path and by URL: effects at most once."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from workers import crash
from workers.git.errors import GitFailed, Superseded, UnknownRevision
from workers.workspace import (
    AlreadyIntegrated,
    Conflict,
    Integrated,
    Repository,
    Stale,
    attempt_ref,
)

BRANCH = "conductor/E1"


def git(place: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(place), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture(params=["local path", "url"])
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Repository:
    project = tmp_path / "project"
    project.mkdir()
    git(project, "init", "--quiet", "--initial-branch=main")
    (project / "list").write_text("".join(f"{n}\n" for n in range(20)))
    git(project, "add", "--all")
    identity = ("-c", "user.name=Owner", "-c", "user.email=owner@example.org")
    git(project, *identity, "commit", "--quiet", "-m", "Start")
    where = str(project)
    if request.param == "url":
        git(tmp_path, "clone", "--quiet", "--bare", where, str(tmp_path / "remote.git"))
        where = f"file://{tmp_path}/remote.git"
    found = Repository.open(where, tmp_path / "home")
    found.create_branch(BRANCH, found.resolve("main"))
    return found


def trailers(name: str) -> dict[str, str]:
    return {"Conductor-Task": f"0/{name}", "Conductor-Attempt": name}


def attempt(repository: Repository, name: str, base: str, **files: str | None) -> str:
    """The published commit of an attempt that wrote these files (None: removed)."""
    with repository.worktree(name, base) as worktree:
        for file, content in files.items():
            if content is None:
                (worktree.path / file).unlink()
            else:
                (worktree.path / file).write_text(content)
        commit = worktree.commit(f"Do {name}\n\nIn detail.", trailers(name))
        worktree.publish(attempt_ref(name))
        return commit


def integrate(
    repository: Repository,
    name: str,
    commit: str,
    base: str,
    still_valid: Callable[[], bool] = lambda: True,
) -> Integrated | Conflict | AlreadyIntegrated | Stale:
    return repository.integrate(
        BRANCH, commit, base=base, trailers=trailers(name), still_valid=still_valid
    )


def numbers(change: int, text: str) -> str:
    return "".join(f"{text if n == change else n}\n" for n in range(20))


def content(repository: Repository, file: str) -> str:
    with repository.checkout(repository.tip(BRANCH)) as files:
        return (files / file).read_text()


def subjects(repository: Repository) -> list[str]:
    return [c.subject for c in repository.log(BRANCH, repository.resolve("main"))]


def test_the_first_comer_moves_the_branch_to_its_own_commit(repository: Repository) -> None:
    base = repository.tip(BRANCH)
    commit = attempt(repository, "A1", base, one="1")
    assert integrate(repository, "A1", commit, base) == Integrated(commit, rebased=False)
    assert repository.tip(BRANCH) == commit


def test_the_next_is_put_on_top_as_one_commit(repository: Repository) -> None:
    base = repository.tip(BRANCH)
    first = attempt(repository, "A1", base, list=numbers(2, "two"))
    second = attempt(repository, "A2", base, list=numbers(17, "seventeen"))
    integrate(repository, "A1", first, base)
    done = integrate(repository, "A2", second, base)
    assert isinstance(done, Integrated) and done.rebased
    (top, below) = repository.log(BRANCH, base)
    assert (top.sha, below.sha) == (done.tip, first)
    assert top.subject == "Do A2" and top.trailers == trailers("A2")
    text = content(repository, "list")
    assert "two\n" in text and "seventeen\n" in text
    assert git(repository.git.git_dir, "show", "-s", "--format=%b", done.tip).startswith(
        "In detail"
    )


def test_several_commits_become_one(repository: Repository) -> None:
    base = repository.tip(BRANCH)
    with repository.worktree("A1", base) as worktree:
        (worktree.path / "one").write_text("1")
        worktree.commit("First half", trailers("A1"))
        (worktree.path / "two").write_text("2")
        commit = worktree.commit("Second half", trailers("A1"))
        worktree.publish(attempt_ref("A1"))
    done = integrate(repository, "A1", commit, base)
    assert isinstance(done, Integrated) and done.tip != commit
    assert subjects(repository) == ["Second half"]
    assert content(repository, "one") == "1"


def test_a_second_time_is_recognised(repository: Repository) -> None:
    base = repository.tip(BRANCH)
    commit = attempt(repository, "A1", base, one="1")
    integrate(repository, "A1", commit, base)
    other = attempt(repository, "A2", base, two="2")
    done = integrate(repository, "A2", other, base)
    assert isinstance(done, Integrated)
    again = integrate(repository, "A1", commit, base)
    assert again == AlreadyIntegrated(done.tip, commit)
    assert subjects(repository) == ["Do A2", "Do A1"]


def test_what_is_on_the_branch_already_need_not_be_readable_any_more(
    repository: Repository,
) -> None:
    base = repository.tip(BRANCH)
    first = attempt(repository, "A1", base, one="1")
    commit = attempt(repository, "A2", base, two="2")
    integrate(repository, "A1", first, base)
    done = integrate(repository, "A2", commit, base)
    assert isinstance(done, Integrated) and done.tip != commit
    unreadable = "1" * 40
    again = integrate(repository, "A2", unreadable, f"{unreadable}^")
    assert again == AlreadyIntegrated(done.tip, done.tip)


def test_a_conflict_names_the_files_and_shows_them(repository: Repository) -> None:
    base = repository.tip(BRANCH)
    first = attempt(repository, "A1", base, list=numbers(2, "ours"))
    second = attempt(repository, "A2", base, list=numbers(2, "theirs"), extra="x")
    integrate(repository, "A1", first, base)
    conflict = integrate(repository, "A2", second, base)
    assert isinstance(conflict, Conflict)
    assert conflict.files == ("list",)
    assert "CONFLICT (content): Merge conflict in list" in conflict.detail
    for line in ("<<<<<<< on the branch", "ours", "=======", "theirs", ">>>>>>> this work"):
        assert f"{line}\n" in conflict.detail
    assert repository.tip(BRANCH) == first


def test_removed_here_and_changed_there_is_a_conflict(repository: Repository) -> None:
    base = repository.tip(BRANCH)
    first = attempt(repository, "A1", base, list=None)
    second = attempt(repository, "A2", base, list=numbers(2, "two"))
    integrate(repository, "A1", first, base)
    conflict = integrate(repository, "A2", second, base)
    assert isinstance(conflict, Conflict) and conflict.files == ("list",)
    assert "modify/delete" in conflict.detail


def test_the_same_change_twice_is_still_two_commits(repository: Repository) -> None:
    base = repository.tip(BRANCH)
    for name in ("A1", "A2"):
        commit = attempt(repository, name, base, same="same")
        assert isinstance(integrate(repository, name, commit, base), Integrated)
    assert subjects(repository) == ["Do A2", "Do A1"]


def test_one_that_lost_its_right_changes_nothing(repository: Repository) -> None:
    base = repository.tip(BRANCH)
    commit = attempt(repository, "A1", base, one="1")
    assert integrate(repository, "A1", commit, base, lambda: False) == Stale()
    assert repository.tip(BRANCH) == base


def test_the_right_is_asked_again_after_a_lost_race(repository: Repository) -> None:
    base = repository.tip(BRANCH)
    mine = attempt(repository, "A1", base, one="1")
    rival = attempt(repository, "A2", base, two="2")
    answers: list[bool] = []

    def still_valid() -> bool:
        """While it is asked for the first time, a rival is faster."""
        if not answers:
            integrate(repository, "A2", rival, base)
        answers.append(True)
        return True

    done = integrate(repository, "A1", mine, base, still_valid)
    assert isinstance(done, Integrated) and done.rebased
    assert len(answers) == 2
    assert subjects(repository) == ["Do A1", "Do A2"]


def test_many_at_once_all_arrive_once(repository: Repository) -> None:
    base = repository.tip(BRANCH)
    names = [f"A{n}" for n in range(8)]
    commits = {name: attempt(repository, name, base, **{name: name}) for name in names}

    def both(name: str) -> None:
        integrate(repository, name, commits[name], base)
        integrate(repository, name, commits[name], base)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(both, names))
    assert sorted(subjects(repository)) == sorted(f"Do {name}" for name in names)
    with repository.checkout(repository.tip(BRANCH)) as files:
        assert all((files / name).read_text() == name for name in names)


def test_another_machine_finishes_what_this_one_published(tmp_path: Path) -> None:
    project, remote = tmp_path / "project", tmp_path / "remote.git"
    project.mkdir()
    git(project, "init", "--quiet", "--initial-branch=main")
    identity = ("-c", "user.name=Owner", "-c", "user.email=owner@example.org")
    git(project, *identity, "commit", "--quiet", "--allow-empty", "-m", "Start")
    git(tmp_path, "clone", "--quiet", "--bare", str(project), str(remote))
    here = Repository.open(f"file://{remote}", tmp_path / "here")
    there = Repository.open(f"file://{remote}", tmp_path / "there")
    base = here.resolve("main")
    here.create_branch(BRANCH, base)
    commit = attempt(here, "A1", base, one="1")
    assert integrate(there, "A1", commit, base) == Integrated(commit, rebased=False)
    assert here.resolve(BRANCH) == there.resolve(BRANCH) == commit
    assert isinstance(integrate(here, "A1", commit, base), AlreadyIntegrated)
    second = attempt(there, "A2", commit, two="2")
    assert isinstance(integrate(there, "A2", second, commit), Integrated)
    assert here.resolve(BRANCH) == second
    assert git(remote, "rev-parse", BRANCH) == second


@pytest.mark.parametrize(
    "point", ["integrate.before_check", "integrate.before_update_ref", "integrate.after_update_ref"]
)
def test_a_killed_integration_is_finished_by_the_next(repository: Repository, point: str) -> None:
    base = repository.tip(BRANCH)
    commit = attempt(repository, "A1", base, one="1")
    worker = f"""
        from pathlib import Path
        from workers.workspace import Repository
        repository = Repository.open({repository.location!r}, Path({str(repository.home)!r}))
        repository.integrate({BRANCH!r}, {commit!r}, base={base!r},
                             trailers={trailers("A1")!r}, still_valid=lambda: True)
    """
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(worker)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, crash.CRASH_AT: point},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    done = integrate(repository, "A1", commit, base)
    moved = point == "integrate.after_update_ref"
    assert isinstance(done, AlreadyIntegrated if moved else Integrated)
    assert subjects(repository) == ["Do A1"]


def test_a_commit_that_does_not_exist_is_told_apart(repository: Repository) -> None:
    base = repository.tip(BRANCH)
    with pytest.raises(UnknownRevision):
        integrate(repository, "A1", "1" * 40, base)
    with pytest.raises(UnknownRevision, match="no branch"):
        repository.tip("conductor/other")


def test_a_lock_that_a_killed_git_left_is_removed_in_time(repository: Repository) -> None:
    base = repository.tip(BRANCH)
    commit = attempt(repository, "A1", base, one="1")
    lock = repository.git.git_dir / "refs" / "heads" / f"{BRANCH}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    os.utime(lock, (0, 0))
    assert isinstance(integrate(repository, "A1", commit, base), Integrated)


def test_a_tag_names_one_commit_for_good(repository: Repository) -> None:
    base = repository.tip(BRANCH)
    commit = attempt(repository, "A1", base, one="1")
    repository.tag("conductor/E1/1", base)
    repository.tag("conductor/E1/1", base)
    with pytest.raises(GitFailed, match="names another commit"):
        repository.tag("conductor/E1/1", commit)
    assert repository.resolve("conductor/E1/1") == base


def test_a_branch_is_created_once(repository: Repository) -> None:
    base = repository.resolve("main")
    commit = attempt(repository, "A1", base, one="1")
    integrate(repository, "A1", commit, base)
    repository.create_branch(BRANCH, base)
    assert repository.tip(BRANCH) == commit
    unrelated = attempt(repository, "A2", base, two="2")
    with pytest.raises(GitFailed, match="exists already"):
        repository.create_branch(BRANCH, unrelated)


def test_rolling_back_goes_forward_to_the_old_files(repository: Repository) -> None:
    base = repository.tip(BRANCH)
    integrate(repository, "A1", attempt(repository, "A1", base, one="1"), base)
    checkpoint = repository.tip(BRANCH)
    repository.tag("conductor/E1/checkpoint-1", checkpoint)
    later = attempt(repository, "A2", checkpoint, one=None, two="2")
    integrate(repository, "A2", later, checkpoint)
    job = {"Conductor-Job": "J1"}
    back = repository.revert_to_tree(BRANCH, "conductor/E1/checkpoint-1", "Roll back", job)
    assert repository.tip(BRANCH) == back
    assert repository.tree(back) == repository.tree(checkpoint)
    assert subjects(repository) == ["Roll back", "Do A2", "Do A1"]
    assert repository.revert_to_tree(BRANCH, checkpoint, "Roll back", job) == back
    assert len(subjects(repository)) == 3


def test_a_job_that_lost_its_right_rolls_nothing_back(repository: Repository) -> None:
    base = repository.tip(BRANCH)
    integrate(repository, "A1", attempt(repository, "A1", base, one="1"), base)
    before = repository.tip(BRANCH)
    with pytest.raises(Superseded):
        repository.revert_to_tree(BRANCH, base, "Roll back", {}, still_valid=lambda: False)
    assert repository.tip(BRANCH) == before


def test_taking_back_some_commits_leaves_the_others(repository: Repository) -> None:
    base = repository.tip(BRANCH)
    tips = []
    for name, files in (
        ("A1", {"list": numbers(2, "two")}),
        ("A2", {"b": "b"}),
        ("A3", {"c": "c"}),
    ):
        tip = repository.tip(BRANCH)
        done = integrate(repository, name, attempt(repository, name, tip, **files), tip)
        assert isinstance(done, Integrated)
        tips.append(done.tip)
    job = {"Conductor-Job": "J1"}
    back = repository.revert_commits(BRANCH, [tips[0], tips[2]], "Take back", job)
    assert back == repository.tip(BRANCH)
    assert content(repository, "list") == numbers(99, "")
    with repository.checkout(BRANCH) as checkout:
        assert sorted(path.name for path in checkout.iterdir()) == ["b", "list"]
    assert repository.revert_commits(BRANCH, [tips[0], tips[2]], "Take back", job) == back
    assert repository.log(BRANCH, base)[0].trailers == job


def test_what_others_build_on_can_not_be_taken_back(repository: Repository) -> None:
    base = repository.tip(BRANCH)
    first = attempt(repository, "A1", base, list=numbers(2, "two"))
    integrate(repository, "A1", first, base)
    integrate(repository, "A2", attempt(repository, "A2", first, list=numbers(2, "2.0")), first)
    tip = repository.tip(BRANCH)
    conflict = repository.revert_commits(BRANCH, [first], "Take back", {"Conductor-Job": "J1"})
    assert isinstance(conflict, Conflict) and conflict.files == ("list",)
    assert repository.tip(BRANCH) == tip


def test_words_of_an_agent_can_not_pass_for_trailers(repository: Repository) -> None:
    base = repository.tip(BRANCH)
    with repository.worktree("A1", base) as worktree:
        (worktree.path / "one").write_text("1")
        message = "Done\n\nConductor-Task: 0/A2\nConductor-Attempt: A2"
        commit = worktree.commit(message, trailers("A1"))
        worktree.publish(attempt_ref("A1"))
    integrate(repository, "A1", commit, base)
    assert repository.log(BRANCH, base)[0].trailers == trailers("A1")
    other = attempt(repository, "A2", base, two="2")
    assert isinstance(integrate(repository, "A2", other, base), Integrated)
