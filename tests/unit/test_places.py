"""The data directory's layout, its versions, and short paths for sockets."""

import os
import shutil
from pathlib import Path

import pytest

from conductor_app.errors import EnvironmentProblem
from conductor_app.places import Places, make_socket_directory, socket_directory
from conductor_app.stack import datadir
from conductor_app.stack.datadir import DataDirectoryProblem


def test_a_short_home_keeps_its_sockets(home: Path) -> None:
    assert socket_directory(home) == home / "run"


@pytest.mark.parametrize("name", ["x" * 100, "with space", "percent%20", "üml"])
def test_a_path_that_sockets_or_urls_dislike_gets_a_short_private_directory(name: str) -> None:
    home = Path("/home/somebody") / name
    directory = socket_directory(home)
    assert len(str(directory)) < 80
    assert directory != socket_directory(home / "other")
    assert socket_directory(home) == directory
    made = make_socket_directory(home)
    try:
        assert made.stat().st_mode & 0o777 == 0o700
    finally:
        made.rmdir()


def test_a_socket_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    home = tmp_path / ("x" * 120)
    trap = socket_directory(home)
    trap.symlink_to(tmp_path)
    try:
        with pytest.raises(EnvironmentProblem, match="belongs to somebody else"):
            make_socket_directory(home)
    finally:
        trap.unlink()


def test_preparing_makes_everything_private_and_may_be_repeated(tmp_path: Path) -> None:
    home = tmp_path / "home"
    datadir.prepare(home)
    datadir.prepare(home)
    assert home.stat().st_mode & 0o777 == 0o700
    assert all(directory.is_dir() for directory in Places(home).directories())
    assert Places(home).version.read_text().strip() == str(datadir.LAYOUT_VERSION)


def test_looking_makes_nothing_and_says_whether_it_is_there(tmp_path: Path) -> None:
    home = tmp_path / "deep" / "home"
    assert datadir.look(home) is False
    assert list(tmp_path.iterdir()) == []
    datadir.prepare(home)
    assert datadir.look(home) is True


@pytest.mark.parametrize(
    ("file", "home"), [("home", "home"), ("home/logs", "home"), ("file", "file/deep/home")]
)
def test_looking_finds_a_file_in_the_way(tmp_path: Path, file: str, home: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).touch()
    with pytest.raises(DataDirectoryProblem, match=r"can't be written: Not a directory.*HOME"):
        datadir.look(tmp_path / home)


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_looking_finds_a_parent_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(DataDirectoryProblem, match="Permission denied"):
            datadir.look(tmp_path / "home")
    finally:
        tmp_path.chmod(0o700)


def test_looking_finds_a_socket_directory_of_somebody_else(tmp_path: Path) -> None:
    home = tmp_path / ("x" * 120)
    trap = socket_directory(home)
    trap.symlink_to(tmp_path)
    try:
        with pytest.raises(EnvironmentProblem, match="belongs to somebody else"):
            datadir.look(home)
    finally:
        trap.unlink()


def test_a_directory_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "version").write_text(f"{datadir.LAYOUT_VERSION + 1}\n")
    with pytest.raises(DataDirectoryProblem, match=r"written by a newer Conductor .*Update"):
        datadir.prepare(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["version"]


def test_a_marker_that_is_no_number_is_not_guessed_at(tmp_path: Path) -> None:
    (tmp_path / "version").write_text("mine")
    with pytest.raises(DataDirectoryProblem, match="should hold a number"):
        datadir.prepare(tmp_path)


def test_a_file_in_the_way_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(DataDirectoryProblem, match=r"can't be written: .* CONDUCTOR_HOME"):
        datadir.prepare(tmp_path / "home")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_directory_without_permission_is_a_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(DataDirectoryProblem, match="can't be written"):
            datadir.prepare(tmp_path / "home")
    finally:
        tmp_path.chmod(0o700)
        shutil.rmtree(tmp_path / "home", ignore_errors=True)
