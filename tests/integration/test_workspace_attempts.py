"""Attempts on a real git repository: worktrees, what agents do in them, what is kept."""

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
from workers.git.errors import (
    EmptyRepository,
    GitFailed,
    GitMissing,
    NotARepository,
    UnknownRevision,
)
from workers.git.program import _trusted_directories
from workers.sandbox import Sandbox, SandboxUnavailable
from workers.workspace import Repository, attempt_ref, kept_ref

TRAILERS = {"Conductor-Task": "0/a", "Conductor-Attempt": "A1", "Conductor-Execution": "E1"}


def git(place: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(place), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path = tmp_path / "project"
    path.mkdir()
    git(path, "init", "--quiet", "--initial-branch=main")
    git(path, "config", "user.name", "Owner")
    git(path, "config", "user.email", "owner@example.org")
    (path / "README.md").write_text("# Project\n")
    (path / ".gitignore").write_text("*.log\n")
    git(path, "add", "--all")
    git(path, "commit", "--quiet", "-m", "Start")
    return path


@pytest.fixture
def remote(project: Path, tmp_path: Path) -> Path:
    path = tmp_path / "remote.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(project), str(path))
    return path


@pytest.fixture(params=["local path", "url"])
def repository(request: pytest.FixtureRequest, project: Path, tmp_path: Path) -> Repository:
    if request.param == "local path":
        return Repository.open(str(project), tmp_path / "home")
    remote: Path = request.getfixturevalue("remote")
    return Repository.open(f"file://{remote}", tmp_path / "home")


def published(repository: Repository, ref: str) -> str | None:
    """What a fresh look from another machine sees."""
    place = repository.location.removeprefix("file://")
    listed = subprocess.run(
        ["git", "ls-remote", place, ref], check=True, capture_output=True, text=True
    ).stdout.split()
    return listed[0] if listed else None


def test_an_attempt_is_committed_and_published(repository: Repository, tmp_path: Path) -> None:
    base = repository.resolve("main")
    with repository.worktree("A1", base) as worktree:
        assert worktree.path == tmp_path / "home" / "worktrees" / "A1"
        assert (worktree.path / "README.md").read_text() == "# Project\n"
        assert not worktree.changed()
        (worktree.path / "src").mkdir()
        (worktree.path / "src" / "ä b.py").write_text("x = 1\n")
        (worktree.path / "debug.log").write_text("ignored")
        assert worktree.changed()
        commit = worktree.commit("Add x", TRAILERS)
        assert worktree.changed()
        worktree.publish(attempt_ref("A1"))
        assert "src/ä b.py | 1 +" in worktree.diffstat()
        path = worktree.path
    assert published(repository, attempt_ref("A1")) == commit
    assert published(repository, kept_ref("A1")) is None
    assert not path.exists()
    with repository.checkout(commit) as files:
        assert sorted(str(p.relative_to(files)) for p in files.rglob("*") if p.is_file()) == [
            ".gitignore",
            "README.md",
            "src/ä b.py",
        ]
    assert not files.exists()


def test_nothing_to_commit_leaves_the_base(repository: Repository) -> None:
    base = repository.resolve("HEAD")
    with repository.worktree("A1", base) as worktree:
        assert worktree.commit("Nothing", TRAILERS) == base
        assert worktree.diffstat() == ""


def test_commits_carry_our_identity_and_no_hook_runs(repository: Repository, project: Path) -> None:
    for place in (project / ".git", repository.git.git_dir):
        for name in ("pre-commit", "post-checkout", "reference-transaction", "post-index-change"):
            hook = place / "hooks" / name
            hook.write_text(f"#!/bin/sh\ntouch {project}/hook-ran\n")
            hook.chmod(0o755)
    with repository.worktree("A1", repository.resolve("HEAD")) as worktree:
        (worktree.path / "new").write_text("x")
        commit = worktree.commit("New", TRAILERS)
        worktree.publish(attempt_ref("A1"))
    who = git(repository.git.git_dir, "show", "-s", "--format=%an <%ae> %cn", commit)
    assert who == "Conductor <conductor@localhost> Conductor"
    assert not (project / "hook-ran").exists()


def test_unpublished_work_is_kept(repository: Repository) -> None:
    base = repository.resolve("HEAD")
    with pytest.raises(ZeroDivisionError), repository.worktree("A1", base) as worktree:
        (worktree.path / "half").write_text("done")
        raise ZeroDivisionError
    with repository.checkout(kept_ref("A1")) as files:
        assert (files / "half").read_text() == "done"
    assert repository.kept("A1") == kept_ref("A1")
    with repository.worktree("A2", base) as worktree:
        (worktree.path / "whole").write_text("done")
        commit = worktree.commit("Whole", TRAILERS)
    assert repository.resolve(kept_ref("A2")) == commit
    with repository.worktree("A3", base):
        pass
    assert repository.kept("A3") is None
    with pytest.raises(UnknownRevision):
        repository.resolve(kept_ref("A3"))


def test_what_was_published_is_found_as_well(repository: Repository) -> None:
    with repository.worktree("A1", repository.resolve("HEAD")) as worktree:
        (worktree.path / "whole").write_text("done")
        worktree.commit("Whole", TRAILERS)
        worktree.publish(attempt_ref("A1"))
    assert repository.kept("A1") == attempt_ref("A1")


def test_the_owner_s_work_is_never_touched(project: Path, tmp_path: Path) -> None:
    (project / "README.md").write_text("# Changed\n")
    (project / "staged").write_text("staged")
    git(project, "add", "staged")
    (project / "new file").write_text("new")
    index = (project / ".git" / "index").read_bytes()
    repository = Repository.open(str(project), tmp_path / "home")
    assert sorted(repository.dirty()) == ["README.md", "new file", "staged"]
    with repository.worktree("A1", repository.resolve("HEAD")) as worktree:
        assert (worktree.path / "README.md").read_text() == "# Project\n"
        (worktree.path / "README.md").write_text("# Agent\n")
        worktree.publish(attempt_ref("A1")) if worktree.commit("Agent", TRAILERS) else None
    assert (project / ".git" / "index").read_bytes() == index
    assert git(project, "symbolic-ref", "HEAD") == "refs/heads/main"
    assert (project / "README.md").read_text() == "# Changed\n"
    assert git(project, "branch", "--list").split() == ["*", "main"]


def test_a_remote_is_never_dirty(remote: Path, tmp_path: Path) -> None:
    assert Repository.open(f"file://{remote}", tmp_path / "home").dirty() == []


def test_a_linked_worktree_s_own_head_counts(project: Path, tmp_path: Path) -> None:
    git(project, "worktree", "add", "--quiet", "-b", "other", str(tmp_path / "linked"))
    (tmp_path / "linked" / "more").write_text("x")
    git(tmp_path / "linked", "add", "more")
    git(tmp_path / "linked", "commit", "--quiet", "-m", "More")
    (tmp_path / "linked" / "loose").write_text("x")
    repository = Repository.open(str(tmp_path / "linked"), tmp_path / "home")
    assert repository.resolve("HEAD") == git(project, "rev-parse", "other")
    assert repository.dirty() == ["loose"]


def test_the_owner_s_worktrees_survive_cleaning(project: Path, tmp_path: Path) -> None:
    git(project, "worktree", "add", "--quiet", "-b", "other", str(tmp_path / "theirs"))
    repository = Repository.open(str(project), tmp_path / "home")
    with repository.worktree("A1", repository.resolve("HEAD")):
        git(project, "worktree", "prune")
        assert repository.prune({"A1"}) == []
        assert len(git(project, "worktree", "list").splitlines()) == 3
    assert repository.prune(set()) == []
    assert len(git(project, "worktree", "list").splitlines()) == 2
    assert (tmp_path / "theirs" / "README.md").exists()


def test_places_that_are_no_repository_say_the_way_out(tmp_path: Path, project: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(NotARepository, match="git init"):
        Repository.open(str(empty), tmp_path)
    with pytest.raises(NotARepository, match="not a directory"):
        Repository.open(str(tmp_path / "missing"), tmp_path)
    git(empty, "init", "--quiet")
    with pytest.raises(EmptyRepository, match=r"no commit yet.*git commit"):
        Repository.open(str(empty), tmp_path).resolve("HEAD")
    with pytest.raises(UnknownRevision, match="no-such-branch"):
        Repository.open(str(project), tmp_path).resolve("no-such-branch")
    with pytest.raises(UnknownRevision):
        Repository.open(str(project), tmp_path).resolve("--all")
    with pytest.raises(GitFailed):
        Repository.open(f"file://{tmp_path}/missing.git", tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
def test_a_repository_of_another_user_must_be_trusted(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (project, *project.rglob("*")):
        os.chown(path, 65534, 65534)
    monkeypatch.setenv("HOME", str(tmp_path))
    _trusted_directories.cache_clear()
    with pytest.raises(NotARepository, match=r"another user.*safe\.directory"):
        Repository.open(str(project), tmp_path / "home")
    git(tmp_path, "config", "--global", "--add", "safe.directory", str(project))
    _trusted_directories.cache_clear()
    assert Repository.open(str(project), tmp_path / "home").resolve("HEAD")
    _trusted_directories.cache_clear()


def test_a_machine_without_git_says_so(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitMissing, match="install git"):
        Repository.open(str(project), tmp_path / "home")


def test_places_may_be_given_relative(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    repository = Repository.open("project", Path("home"))
    with repository.worktree("A1", repository.resolve("HEAD")) as worktree:
        assert worktree.path == tmp_path / "home" / "worktrees" / "A1"


def test_an_attempt_that_is_tried_again_starts_clean(repository: Repository) -> None:
    kill_worker_at("publish.before", repository)
    for lock in ("index.lock", "HEAD.lock"):
        (repository.git.git_dir / "worktrees" / "A1" / lock).touch()
    with repository.worktree("A1", repository.resolve("HEAD")) as again:
        assert not (again.path / "work").exists()
        assert not again.changed()
    with repository.checkout(kept_ref("A1")) as files:
        assert (files / "work").read_text() == "work"


def test_an_attempt_that_lives_is_not_cleaned_away(repository: Repository) -> None:
    """Its row says that it is over, its process does not know it yet."""
    base = repository.resolve("HEAD")
    with repository.worktree("A1", base) as worktree:
        assert repository.prune({"A1"}) == []
        assert (worktree.path / "README.md").exists()
        with pytest.raises(GitFailed, match="Another process"), repository.worktree("A1", base):
            pass
        assert (worktree.path / "README.md").exists()


def test_many_attempts_at_once(repository: Repository) -> None:
    base = repository.resolve("HEAD")

    def attempt(number: int) -> str:
        name = f"A{number}"
        with repository.worktree(name, base) as worktree:
            (worktree.path / name).write_text(name)
            commit = worktree.commit(name, {"Conductor-Attempt": name})
            worktree.publish(attempt_ref(name))
            return commit

    with ThreadPoolExecutor(8) as pool:
        commits = list(pool.map(attempt, range(16)))
    assert [published(repository, attempt_ref(f"A{n}")) for n in range(16)] == commits
    assert not list((repository.git.git_dir / "worktrees").glob("*"))


@pytest.mark.parametrize(
    "point",
    [
        "worktree.before_add",
        "worktree.after_add",
        "worktree.after_keep",
        "worktree.before_remove",
        "publish.before",
        "publish.after",
    ],
)
def test_what_a_killed_worker_left_is_kept_then_removed(repository: Repository, point: str) -> None:
    kill_worker_at(point, repository)
    repository.prune({"A1"})
    assert not list((repository.home / "worktrees").iterdir())
    assert not list((repository.git.git_dir / "worktrees").glob("*"))
    if point == "publish.after":
        assert published(repository, attempt_ref("A1"))
    elif point not in ("worktree.before_add", "worktree.after_add"):
        assert repository.resolve(kept_ref("A1"))


@pytest.mark.parametrize("left", ["registration", "broken registration", "path", "lock"])
def test_halves_of_worktrees_are_removed(repository: Repository, left: str) -> None:
    """A process may be killed in the middle of git's own steps, or of removing files."""
    home, registrations = repository.home / "worktrees", repository.git.git_dir / "worktrees"
    home.mkdir(parents=True)
    (home / "A1.lock").touch()
    if "registration" in left:
        (registrations / "A1").mkdir(parents=True)
        name = "gitdir" if "broken" in left else "HEAD"
        (registrations / "A1" / name).write_text(str(home / "A1" / ".git"))
    elif left == "path":
        (home / "A1").mkdir()
        (home / "A1" / "file").write_text("half")
    assert repository.prune({"A1"}) == ["A1"]
    assert not list(home.iterdir())
    assert not list(registrations.glob("*"))


def kill_worker_at(point: str, repository: Repository) -> None:
    """A worker process that is killed while it makes attempt A1."""
    worker = f"""
        from pathlib import Path
        from workers.workspace import Repository, attempt_ref
        repository = Repository.open({repository.location!r}, Path({str(repository.home)!r}))
        with repository.worktree("A1", {repository.resolve("HEAD")!r}) as worktree:
            (worktree.path / "work").write_text("work")
            if {point.startswith("publish")}:
                worktree.commit("Work", {{}})
                worktree.publish(attempt_ref("A1"))
    """
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(worker)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, crash.CRASH_AT: point},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL


def test_checkouts_of_the_dead_are_removed_and_those_of_the_living_stay(
    repository: Repository,
) -> None:
    worker = f"""
        import os, signal
        from pathlib import Path
        from workers.workspace import Repository
        repository = Repository.open({repository.location!r}, Path({str(repository.home)!r}))
        with repository.checkout({repository.resolve("HEAD")!r}):
            os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(worker)], cwd=Path(__file__).parents[2])
    checkouts = repository.home / "checkouts"
    assert len(list(checkouts.glob("*.lock"))) == 1
    with repository.checkout(repository.resolve("HEAD")) as files:
        repository.prune(set())
        assert (files / "README.md").exists()
        assert len(list(checkouts.iterdir())) == 2
    assert list(checkouts.iterdir()) == []


# What agents do in their worktrees, by mistake or not.


def test_repositories_made_inside_are_committed_as_files(repository: Repository) -> None:
    with repository.worktree("A1", repository.resolve("HEAD")) as worktree:
        for name in ("empty", "full", "full/inner"):
            (worktree.path / name).mkdir()
            git(worktree.path / name, "init", "--quiet")
            (worktree.path / name / "file").write_text(name)
        git(worktree.path / "full", "add", "file")
        identity = ("-c", "user.name=a", "-c", "user.email=b@example.org")
        git(worktree.path / "full", *identity, "commit", "--quiet", "-m", "x")
        commit = worktree.commit("Nested", TRAILERS)
    with repository.checkout(commit) as files:
        assert (files / "empty" / "file").read_text() == "empty"
        assert (files / "full" / "file").read_text() == "full"
        assert (files / "full" / "inner" / "file").read_text() == "full/inner"


def test_a_forged_git_directory_is_not_obeyed(repository: Repository, tmp_path: Path) -> None:
    """The `.git` file is the agent's to write; what it leads to must not run anything here."""
    trap = tmp_path / "trap"
    script = tmp_path / "script.sh"
    script.write_text(f"#!/bin/sh\ntouch {trap}\n")
    script.chmod(0o755)
    with repository.worktree("A1", repository.resolve("HEAD")) as worktree:
        (worktree.path / ".git").unlink()
        git(worktree.path, "init", "--quiet")
        for key in ("core.fsmonitor", "filter.x.clean", "core.sshCommand", "diff.external"):
            git(worktree.path, "config", key, str(script))
        (worktree.path / ".gitattributes").write_text("* filter=x\n")
        (worktree.path / "new").write_text("x")
        assert worktree.changed()
        commit = worktree.commit("New", TRAILERS)
        worktree.publish(attempt_ref("A1"))
        worktree.diffstat()
    assert not trap.exists()
    with repository.checkout(commit) as files:
        assert sorted(path.name for path in files.iterdir()) == [
            ".gitattributes",
            ".gitignore",
            "README.md",
            "new",
        ]


def test_links_special_files_and_closed_directories_do_not_stop_it(
    repository: Repository, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    with repository.worktree("A1", repository.resolve("HEAD")) as worktree:
        (worktree.path / "link").symlink_to(precious)
        os.mkfifo(worktree.path / "pipe")
        closed = worktree.path / "closed"
        closed.mkdir()
        (closed / "file").write_text("x")
        worktree.commit("Odd things", TRAILERS)
        closed.chmod(0)
        path = worktree.path
    assert not path.exists()
    assert (precious / "file").exists()


def test_commands_of_an_agent_can_not_reach_the_repository(
    repository: Repository, project: Path, wait_until: Callable[..., None]
) -> None:
    try:
        sandbox = Sandbox.detect("auto")
    except SandboxUnavailable as why:
        pytest.skip(f"SANDBOX NOT TRIED: {why.message}")
    with repository.worktree("A1", repository.resolve("HEAD")) as worktree:
        for command in (
            f"cat {repository.git.git_dir}/config",
            f"echo x > {repository.git.git_dir}/evil",
            f"echo x > {worktree.git.git_dir}/evil",
            f"cat {project}/README.md",
            "git log",
        ):
            assert sandbox.run(["sh", "-c", command], cwd=worktree.path).exit_code != 0, command
        assert sandbox.run(["sh", "-c", "echo x > made"], cwd=worktree.path).exit_code == 0
        assert worktree.changed()
    assert not (repository.git.git_dir / "evil").exists()
