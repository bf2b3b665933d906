"""The repository that `conductor run` makes for itself."""

import subprocess
from pathlib import Path

import pytest

from conductor_app.cli.demo_repository import create_demo_repository
from conductor_app.errors import Refused
from workers.workspace import Repository


def test_it_is_a_clean_repository_with_one_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    commit = create_demo_repository(tmp_path / "a" / "demo")
    monkeypatch.delenv("GIT_DIR")
    repository = Repository.open(str(tmp_path / "a" / "demo"), tmp_path / "home")
    assert repository.resolve("main") == repository.resolve("HEAD") == commit
    assert repository.dirty() == []
    with repository.checkout(commit) as files:
        assert sorted(path.name for path in files.iterdir()) == [".gitignore", "README.md"]
        assert (files / "README.md").read_text().startswith("# demo\n")


def test_what_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    commit = create_demo_repository(tmp_path / "demo")
    (tmp_path / "demo" / "README.md").write_text("mine")
    assert create_demo_repository(tmp_path / "demo") == commit
    assert (tmp_path / "demo" / "README.md").read_text() == "mine"


def test_one_that_was_interrupted_is_finished(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path / "demo")], check=True)
    assert create_demo_repository(tmp_path / "demo")


def test_a_directory_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    with pytest.raises(Refused, match="empty directory"):
        create_demo_repository(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
