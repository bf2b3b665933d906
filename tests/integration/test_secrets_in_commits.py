"""No commit holds a secret of this installation, nor does work that is kept for later."""

import os
import subprocess
from pathlib import Path

import pytest

from conductor_app import masking
from conductor_app.masking import MASK
from workers.git.errors import SecretsFound
from workers.workspace import Repository, kept_ref

CANARY = "canary-of-a-key/8f3c+2"
TRAILERS = {"Conductor-Task": "0/a"}


@pytest.fixture
def canary() -> str:
    masking.know(CANARY)
    return CANARY


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    path = tmp_path / "project"
    path.mkdir()
    git(path, "init", "--quiet", "--initial-branch=main")
    (path / "README.md").write_text("# Project\n")
    git(path, "add", "--all")
    git(path, "-c", "user.name=Me", "-c", "user.email=me@localhost", "commit", "-qm", "Start")
    return Repository.open(str(path), tmp_path / "home")


def git(place: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(place), *arguments],
        check=True,
        capture_output=True,
        text=True,
        errors="replace",
    ).stdout.strip()


def objects(repository: Repository) -> str:
    """Everything in the object database, whether something refers to it or not."""
    return git(Path(repository.location), "cat-file", "--batch-all-objects", "--batch")


@pytest.mark.parametrize("place", ["a.txt", "new/deep/b.bin", "own/repository/c.txt"])
def test_a_file_with_a_secret_is_not_committed(
    repository: Repository, canary: str, place: str
) -> None:
    with repository.worktree("A1", repository.resolve("main")) as worktree:
        file = worktree.path / place
        file.parent.mkdir(parents=True, exist_ok=True)
        if "own" in place:
            git(file.parent, "init", "--quiet")
        file.write_bytes(b"\xff\0" * 40_000 + canary.encode() + b"\xff")
        with pytest.raises(SecretsFound) as refused:
            worktree.commit("Work", TRAILERS)
        assert refused.value.details["files"] == [place]
        assert canary not in refused.value.message
    kept = git(Path(repository.location), "show", f"{kept_ref('A1')}:{place}")
    assert MASK in kept
    assert canary not in objects(repository)


def test_names_links_and_messages_hold_none_either(repository: Repository, tmp_path: Path) -> None:
    secret = "canary-of-a-name-8f3c"
    masking.know(secret)
    with repository.worktree("A1", repository.resolve("main")) as worktree:
        (worktree.path / f"{secret}.txt").write_text("fine")
        os.symlink(f"/nowhere/{secret}", worktree.path / "link")
        os.mkfifo(worktree.path / "pipe")
        with pytest.raises(SecretsFound) as refused:
            worktree.commit("Work", TRAILERS)
        assert secret not in refused.value.message
        assert sorted(refused.value.details["files"]) == sorted([f"{secret}.txt", "link"])
        (worktree.path / f"{secret}.txt").unlink()
        (worktree.path / "link").unlink()
        (worktree.path / "fine.txt").write_text("fine")
        commit = worktree.commit(f"Use {secret} and postgresql://me:pw@host", TRAILERS)
    message = git(Path(repository.location), "log", "-1", "--format=%B", commit)
    assert message.startswith(f"Use {MASK} and postgresql://me:{MASK}@host")
    assert secret not in objects(repository)
