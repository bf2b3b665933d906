"""Which project is meant, and what a run must know of its repository."""

import os
import subprocess
from pathlib import Path

import pytest

from conductor_app.cli import git as git_program
from conductor_app.cli import project, run_project
from conductor_app.cli.repository import (
    NotARepository,
    RemoteUnreachable,
    require_repository,
    uncommitted,
)
from conductor_app.domain.location import InvalidLocation
from conductor_app.errors import EnvironmentProblem
from conductor_app.launch import Order


def git(path: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    subprocess.run(["git", "-C", str(path), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "work"
    path.mkdir()
    git(path, "init", "--quiet")
    (path / "kept.txt").write_text("kept\n")
    git(path, "add", ".")
    git(path, "commit", "--quiet", "-m", "Start")
    return path


def mark(directory: Path) -> Path:
    (directory / ".conductor").mkdir(parents=True)
    (directory / ".conductor" / "conductor.yml").touch()
    return directory


def test_the_nearest_mark_goes_before_the_repository_around(tmp_path: Path) -> None:
    marked = mark(tmp_path / "outer")
    inner = marked / "repository" / "src"
    inner.mkdir(parents=True)
    (marked / "repository" / ".git").mkdir()
    assert project.marked_directory(inner) == marked
    assert project.directory_around(inner) == marked


def test_without_a_mark_the_repository_around_is_meant(repository: Path) -> None:
    inner = repository / "src" / "deep"
    inner.mkdir(parents=True)
    assert project.marked_directory(inner) is None
    assert project.directory_around(inner) == repository


def test_a_repository_with_a_commit_is_accepted(repository: Path) -> None:
    assert require_repository(repository) == repository.resolve()


def test_what_is_no_repository_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(NotARepository, match="There is no directory"):
        require_repository(tmp_path / "missing")
    with pytest.raises(NotARepository, match=r"is not a git repository.*git -C .* init"):
        require_repository(tmp_path)


def test_a_bare_repository_is_named_by_its_url(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare")
    with pytest.raises(NotARepository, match=f"bare repository.*--project {tmp_path.as_uri()}"):
        require_repository(tmp_path)


def test_a_repository_without_a_commit_is_refused(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    with pytest.raises(NotARepository, match=r"has no commit yet.*commit --allow-empty -m Start"):
        require_repository(tmp_path)


def test_the_way_out_works_as_it_is_typed_in_an_empty_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ada@example.org")
    with pytest.raises(NotARepository) as refused:
        require_repository(tmp_path)
    subprocess.run(refused.value.message.partition("Make it one: ")[2], shell=True, check=True)
    assert require_repository(tmp_path) == tmp_path.resolve()


def test_a_part_of_a_repository_is_refused_and_the_whole_named(repository: Path) -> None:
    part = repository / "src"
    part.mkdir()
    with pytest.raises(NotARepository, match=f"--project {repository}"):
        require_repository(part)


@pytest.mark.skipif(os.geteuid() != 0, reason="ONLY ROOT GIVES FILES TO OTHERS")
def test_a_repository_of_another_user_is_called_so(repository: Path) -> None:
    for path in (repository, *repository.rglob("*")):
        os.chown(path, 65534, 65534)
    with pytest.raises(NotARepository, match=r"belongs to another user.*--add safe\.directory"):
        require_repository(repository)


def test_a_missing_git_is_named(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EnvironmentProblem, match="git is not on PATH"):
        require_repository(repository)


def test_a_git_that_does_not_end_is_named(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = tmp_path / "programs" / "git"
    hanging.parent.mkdir()
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(0o755)
    monkeypatch.setenv("PATH", f"{hanging.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(git_program, "ANSWER_SECONDS", 0.2)
    with pytest.raises(EnvironmentProblem, match=r"`git rev-parse` in .* did not end within 0.2 s"):
        require_repository(repository)


def test_variables_of_a_git_hook_lead_nowhere_else(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert require_repository(repository) == repository.resolve()


def test_uncommitted_work_is_listed_and_untouched(repository: Path) -> None:
    assert uncommitted(repository) == []
    assert run_project.warning_of(repository) is None
    (repository / "kept.txt").write_text("changed\n")
    (repository / "name with space").write_text("new\n")
    assert sorted(uncommitted(repository)) == ["kept.txt", "name with space"]
    warning = run_project.warning_of(repository)
    assert warning and "2 files" in warning and "kept.txt" in warning
    assert (repository / "kept.txt").read_text() == "changed\n"


def test_of_many_uncommitted_files_some_are_named(repository: Path) -> None:
    for number in range(7):
        (repository / f"{number}.txt").touch()
    assert "and 2 more" in (run_project.warning_of(repository) or "")


def test_packages_that_nobody_said_how_to_install_are_warned_of(repository: Path) -> None:
    order = Order(workflow="change")
    assert run_project.warning_of_setup(repository, order) is None
    (repository / "pyproject.toml").write_text('[project]\nname = "a"\n')
    assert run_project.warning_of_setup(repository, order) is None
    (repository / "pyproject.toml").write_text('[project]\nname = "a"\ndependencies = ["b"]\n')
    warning = run_project.warning_of_setup(repository, order)
    assert warning and "pyproject.toml names packages" in warning and "--input setup=" in warning
    told = Order(workflow="change", inputs={"setup": "true"})
    assert run_project.warning_of_setup(repository, told) is None
    assert run_project.warning_of_setup("https://example.org/a.git", order) is None
    assert run_project.warning_of_setup(repository, Order(workflow="project-conductor")) is None


def test_run_takes_the_named_directory_then_the_marked_one_then_none(
    repository: Path, tmp_path: Path
) -> None:
    assert run_project.chosen_place(str(repository), tmp_path) == repository.resolve()
    assert run_project.chosen_place(None, repository) is None
    mark(repository)
    assert run_project.chosen_place(None, repository) == repository.resolve()


@pytest.mark.parametrize(
    "url",
    ["https://example.org/a.git", "ssh://git@example.org/a", "file:///srv/a.git", "git@host:a/b"],
)
def test_a_url_is_a_place_as_it_is(url: str) -> None:
    assert project.place_of(url) == url
    assert run_project.warning_of(url) is None


def test_a_remote_with_a_commit_is_accepted(repository: Path, tmp_path: Path) -> None:
    url = f"file://{repository}"
    assert run_project.chosen_place(url, tmp_path) == url


def test_a_remote_that_can_not_be_read_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(RemoteUnreachable, match=r"nowhere.* does not appear to be a git repo"):
        run_project.chosen_place(f"file://{tmp_path}/nowhere", tmp_path)


def test_a_remote_without_a_commit_is_refused(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare")
    with pytest.raises(NotARepository, match="has no commit on its default branch"):
        run_project.chosen_place(f"file://{tmp_path}", tmp_path)


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("ftp://example.org/a", "ftp:// is not a protocol that Conductor uses"),
        ("ext::sh -c id", "is neither a path nor a URL"),
        ("https://ada:secret@example.org/a", "holds a password"),
        ("", "is neither a path nor a URL"),
    ],
)
def test_what_the_api_refuses_as_a_place_is_refused(named: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidLocation, match=words):
        run_project.chosen_place(named, tmp_path)


def test_fresh_repositories_are_numbered_beside_the_data_directory(tmp_path: Path) -> None:
    home = tmp_path / "home"
    first, second = run_project.fresh_directory(home), run_project.fresh_directory(home)
    assert [first, second] == [tmp_path / "home-demo-1", tmp_path / "home-demo-2"]
    assert require_repository(second) == second


@pytest.mark.parametrize(
    ("program", "words"),
    [(None, "git is not on PATH"), ("echo git version 2.30.2", "2.30.2 is too old")],
)
def test_a_run_needs_a_git_that_will_do_before_it_makes_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str | None, words: str
) -> None:
    if program is not None:
        (tmp_path / "git").write_text(f"#!/bin/sh\n{program}\n")
        (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentProblem, match=words):
        run_project.chosen_place(None, tmp_path)


def test_commands_that_are_proposed_can_be_copied(tmp_path: Path) -> None:
    folder = tmp_path / "two words"
    folder.mkdir()
    with pytest.raises(NotARepository, match=f"git -C '{folder}' init"):
        require_repository(folder)
