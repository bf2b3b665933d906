"""What a repository, an agent's files or a name could have git execute: nothing of it runs."""

import subprocess
from pathlib import Path

import pytest

from workers.git.errors import InvalidName, UnfitNames, UnknownRevision
from workers.git.program import Git
from workers.workspace import Integrated, Repository, attempt_ref, kept_ref

BRANCH = "conductor/E1"
HOOKS = (
    *("pre-commit", "prepare-commit-msg", "commit-msg", "post-commit", "post-checkout"),
    *("reference-transaction", "pre-push", "post-index-change", "post-merge", "pre-rebase"),
    *("post-rewrite", "update", "pre-receive", "post-receive", "post-update", "pre-auto-gc"),
)
IDENTITY = ("-c", "user.name=Owner", "-c", "user.email=owner@example.org")


def git(place: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(place), *IDENTITY, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """Is there when something of what was laid out was executed."""
    return tmp_path / "trap"


@pytest.fixture
def script(tmp_path: Path, trap: Path) -> Path:
    path = tmp_path / "script.sh"
    path.write_text(f"#!/bin/sh\necho $0 >> {trap}\n")
    path.chmod(0o755)
    return path


@pytest.fixture(params=["local path", "url"])
def repository(
    request: pytest.FixtureRequest, tmp_path: Path, script: Path, trap: Path
) -> Repository:
    """One with a hook for everything, and settings that name programs."""
    project = tmp_path / "project"
    project.mkdir()
    git(project, "init", "--quiet", "--initial-branch=main")
    (project / "list").write_text("".join(f"{n}\n" for n in range(20)))
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "-m", "Start")
    where = str(project)
    if request.param == "url":
        git(tmp_path, "clone", "--quiet", "--bare", where, str(tmp_path / "remote.git"))
        where = f"file://{tmp_path}/remote.git"
    else:
        for hook in HOOKS:
            (project / ".git" / "hooks" / hook).write_text(script.read_text())
            (project / ".git" / "hooks" / hook).chmod(0o755)
        for key in ("core.fsmonitor", "core.pager", "diff.external", "gpg.program", "core.editor"):
            git(project, "config", key, str(script))
        git(project, "config", "commit.gpgSign", "true")
        git(project, "config", "core.hooksPath", str(project / ".git" / "hooks"))
    trap.unlink(missing_ok=True)
    found = Repository.open(where, tmp_path / "home")
    found.create_branch(BRANCH, found.resolve("main"))
    return found


def done(repository: Repository, name: str, base: str, files: dict[str, str]) -> str:
    """An attempt that wrote these files, committed, published and integrated."""
    trailers = {"Conductor-Task": "0/a", "Conductor-Attempt": name}
    with repository.worktree(name, base) as worktree:
        for path, content in files.items():
            place = worktree.path / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content)
        assert worktree.changed()
        commit = worktree.commit("Work", trailers)
        worktree.publish(attempt_ref(name))
        worktree.diffstat()
    outcome = repository.integrate(
        BRANCH, commit, base=base, trailers=trailers, still_valid=lambda: True
    )
    assert isinstance(outcome, Integrated)
    return outcome.tip


def test_no_hook_and_no_program_of_its_settings_is_run(repository: Repository, trap: Path) -> None:
    base = repository.tip(BRANCH)
    done(repository, "A1", base, {"list": "0\n" + "".join(f"{n}\n" for n in range(20))})
    # On top of what has moved on: this one is merged.
    tip = done(repository, "A2", base, {"other": "x"})
    with repository.checkout(tip) as files:
        assert (files / "other").read_text() == "x"
    repository.tag("v1", tip)
    assert not trap.exists()


def test_these_hooks_would_run_otherwise(tmp_path: Path, trap: Path, script: Path) -> None:
    """Else their silence would prove nothing."""
    git(tmp_path, "init", "--quiet", "other")
    for hook in HOOKS:
        (tmp_path / "other" / ".git" / "hooks" / hook).symlink_to(script)
    git(tmp_path / "other", "commit", "--quiet", "--allow-empty", "-m", "x")
    assert "pre-commit" in trap.read_text()


def test_names_of_files_are_no_options(repository: Repository, trap: Path) -> None:
    odd = (
        *("-u", "--help", f"--upload-pack=touch {trap}", ":(exclude)list", ":!list", "a\nb"),
        *("HEAD", "refs/heads/main", "--", "-c core.fsmonitor=x", "\\", "*", "a b ", "\x1b[31m"),
    )
    tip = done(repository, "A1", repository.tip(BRANCH), dict.fromkeys(odd, "x"))
    with repository.checkout(tip) as files:
        for name in odd:
            assert (files / name).read_text() == "x", name
        assert (files / "list").exists()
    assert not trap.exists()


def test_submodules_and_attributes_of_an_agent_are_files(
    repository: Repository, trap: Path, script: Path
) -> None:
    modules = "\n".join(
        f'[submodule "{name}"]\n path = {name}\n url = {url}\n update = !touch {trap}'
        for name, url in (
            ("a", f"ext::sh -c touch% {trap}"),
            ("b", f"--upload-pack=touch {trap}"),
            ("c", "-u"),
        )
    )
    attributes = "* filter=x diff=x merge=x\n"
    files = {".gitmodules": modules, ".gitattributes": attributes, ".lfsconfig": "[lfs]\nurl = x\n"}
    tip = done(repository, "A1", repository.tip(BRANCH), files)
    done(repository, "A2", repository.resolve("main"), {"list": "changed\n"})
    with repository.checkout(tip) as checkout:
        assert (checkout / ".gitmodules").read_text() == modules
    assert not trap.exists()


def test_files_that_could_be_gits_own_elsewhere_are_named_and_kept_out(
    repository: Repository,
) -> None:
    """On other systems these are `.git`."""
    with repository.worktree("A1", repository.tip(BRANCH)) as worktree:
        for folder in (".GIT", "git~1"):
            (worktree.path / folder).mkdir()
            (worktree.path / folder / "config").write_text("x")
        (worktree.path / "work").write_text("done")
        with pytest.raises(UnfitNames, match=r"'?\.GIT/config, git~1/config"):
            worktree.commit("Work", {})
        worktree.keep("A1")
    kept = repository.git.run("ls-tree", "-r", "--name-only", kept_ref("A1"))
    assert kept.split() == ["list", "work"]


@pytest.mark.parametrize("protocol", ["ext::sh -c touch% {trap}", "fd::17", "--upload-pack={trap}"])
def test_no_protocol_runs_a_program(repository: Repository, trap: Path, protocol: str) -> None:
    place = protocol.format(trap=trap)
    for command in ("ls-remote", "fetch"):
        assert not repository.git.ask(command, "--end-of-options", place).ok
    assert not trap.exists()


def test_a_url_of_the_repositorys_settings_runs_no_program(tmp_path: Path, trap: Path) -> None:
    """`insteadOf` sends git elsewhere than it was told."""
    git(tmp_path, "init", "--quiet", "--bare", "r.git")
    place = tmp_path / "r.git"
    git(place, "config", f"url.ext::sh -c touch% {trap}.insteadOf", "https://git.example/a")
    assert not Git(place).ask("ls-remote", "--end-of-options", "https://git.example/a").ok
    assert not trap.exists()
    git_and_ext = ("git", "-C", str(place), "-c", "protocol.ext.allow=always")
    subprocess.run([*git_and_ext, "ls-remote", "https://git.example/a"], capture_output=True)
    assert trap.exists(), "the attack itself works"


@pytest.mark.parametrize("name", ["-u", "--upload-pack=touch x", "a..b", "../x", "HEAD^{/x}"])
def test_names_of_branches_and_revisions_are_no_options(repository: Repository, name: str) -> None:
    with pytest.raises(InvalidName):
        repository.create_branch(name, repository.tip(BRANCH))
    with pytest.raises(InvalidName):
        repository.tip(name)
    with pytest.raises(UnknownRevision):
        repository.resolve(name)


def test_files_in_a_submodule_are_named_and_not_lost_in_silence(repository: Repository) -> None:
    """Git takes them for another repository's, and says nothing of them."""
    modules = '[submodule "lib"]\n path = lib\n url = https://example.org/lib\n'
    git = repository.git
    base = done(repository, "A1", repository.tip(BRANCH), {".gitmodules": modules})
    tree = git.run("mktree", text=f"{git.run('ls-tree', base)}\n160000 commit {base}\tlib\n")
    linked = git.run("commit-tree", tree, "-p", base, "-F", "-", text="A submodule")
    with repository.worktree("A3", linked) as worktree:
        assert not worktree.changed()
        (worktree.path / "lib" / "deep").mkdir(parents=True)
        assert not worktree.changed()
        (worktree.path / "lib" / "deep" / "new.py").write_text("x = 1\n")
        (worktree.path / "work").write_text("done")
        assert worktree.changed()
        with pytest.raises(UnfitNames, match="no files below lib here: that is a submodule"):
            worktree.commit("Work", {})
        worktree.keep("A3")
    kept = git.run("ls-tree", "-r", "--name-only", kept_ref("A3"))
    assert kept.split() == [".gitmodules", "lib", "list", "work"]
