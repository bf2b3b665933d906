"""What a reviewer is shown of a difference."""

import subprocess
from pathlib import Path

import pytest

from workers.git.difference import difference
from workers.workspace import Repository


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path = tmp_path / "project"
    path.mkdir()
    git(path, "init", "--quiet")
    return path


def git(place: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    command = ["git", "-C", str(place), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(place: Path, **files: str) -> str:
    for name, text in files.items():
        (place / name.replace("_", ".")).write_text(text)
    git(place, "add", "--all")
    git(place, "commit", "--quiet", "--allow-empty", "-m", "x")
    return git(place, "rev-parse", "HEAD")


def test_what_fits_is_shown_whole(project: Path, tmp_path: Path) -> None:
    first = commit(project, a_py="one\n")
    second = commit(project, a_py="two\n", b_py="new\n")
    found = difference(Repository.open(str(project), tmp_path).git, first, second, 10_000)
    assert "-one\n+two" in found.text and "+new" in found.text
    assert "2 files changed" in found.files
    assert found.hidden == ()
    assert found.size == len(found.text)


def test_of_what_does_not_fit_the_names_are_told(project: Path, tmp_path: Path) -> None:
    first = commit(project)
    second = commit(project, big_lock="x\n" * 50_000, small_py="y\n")
    found = difference(Repository.open(str(project), tmp_path).git, first, second, 10_000)
    assert "+y" in found.text and "+x" not in found.text
    assert found.hidden == ("big.lock",)
    assert "big.lock" in found.files


def test_nothing_changed(project: Path, tmp_path: Path) -> None:
    first = commit(project, a_py="one\n")
    found = difference(Repository.open(str(project), tmp_path).git, first, first, 10_000)
    assert (found.files, found.text, found.hidden) == ("", "", ())
