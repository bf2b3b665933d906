"""Paths lead to files of the worktree and nowhere else, whatever stands in the way."""

import os
from pathlib import Path

import pytest

from workers.tools.beneath import spot
from workers.tools.workplace import ToolFault
from workers.tools.worktree_files import list_entries, read_bytes, write_bytes

SECRET = b"secret"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A worktree with a file in it, beside a secret and a .git."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_bytes(SECRET)
    root = tmp_path / "worktree"
    (root / "src").mkdir(parents=True)
    (root / "src" / "app.py").write_bytes(b"app")
    (root / ".git").mkdir()
    (root / ".git" / "config").write_bytes(b"[core]")
    return root


@pytest.mark.parametrize("path", ["src/app.py", "./src/app.py", "src//app.py", "src/./app.py"])
def test_a_file_beneath_is_read(root: Path, path: str) -> None:
    assert read_bytes(root, path) == b"app"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("../outside/secret.txt", "'..'"),
        ("src/../../outside/secret.txt", "'..'"),
        ("src/../src/app.py", "'..'"),
        ("/etc/passwd", "absolute"),
        ("//etc/passwd", "absolute"),
        ("src/app.py\0.txt", "null"),
        ("\ud800", "can't be used"),
        ("a" * 300, "too long"),
        ("src/nothing.py", "list_dir"),
        ("src/app.py/more", "Not a directory"),
        ("src", "is a directory"),
        (".", "is a directory"),
        ("", "is a directory"),
    ],
)
def test_what_is_refused_says_why(root: Path, path: str, words: str) -> None:
    with pytest.raises(ToolFault, match=words):
        read_bytes(root, path)


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".GIT/config",
        ".Git/config",
        "src/.git/config",
        ".git",
        ".git./config",
        ".git /config",
        "git~1/config",
        ".git::$INDEX_ALLOCATION/config",
        ".g\u200cit/config",
        "./.git/config",
    ],
)
def test_git_is_out_of_reach(root: Path, path: str) -> None:
    with pytest.raises(ToolFault, match="git's own"):
        read_bytes(root, path)
    with pytest.raises(ToolFault, match="git's own"):
        write_bytes(root, path, b"hooks")
    assert (root / ".git" / "config").read_bytes() == b"[core]"


@pytest.mark.parametrize("path", [".gitignore", ".github/workflows/ci.yml", "legit.git"])
def test_names_that_only_look_like_git_are_fine(root: Path, path: str) -> None:
    assert write_bytes(root, path, b"x") is True


@pytest.mark.parametrize(
    "target",
    ["../outside", "../outside/secret.txt", "/etc", "src/../../outside", "../worktree/../outside"],
)
@pytest.mark.parametrize("below", ["", "/secret.txt"])
def test_links_that_lead_out_are_refused(root: Path, target: str, below: str) -> None:
    (root / "link").symlink_to(target)
    with pytest.raises(ToolFault, match="leads out"):
        read_bytes(root, "link" + below)
    with pytest.raises(ToolFault, match="leads out"):
        write_bytes(root, "link" + below, b"overwritten")
    assert (root.parent / "outside" / "secret.txt").read_bytes() == SECRET


def test_links_that_stay_inside_are_followed(root: Path) -> None:
    (root / "code").symlink_to("src")
    (root / "src" / "main.py").symlink_to("../code/app.py")
    assert read_bytes(root, "code/main.py") == b"app"
    assert write_bytes(root, "code/main.py", b"new") is False
    assert (root / "src" / "app.py").read_bytes() == b"new"
    assert (root / "src" / "main.py").is_symlink()


def test_a_link_into_git_is_refused(root: Path) -> None:
    (root / "config").symlink_to(".git/config")
    with pytest.raises(ToolFault, match="git's own"):
        read_bytes(root, "config")


def test_links_in_a_circle_are_refused(root: Path) -> None:
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    with pytest.raises(ToolFault, match="circles"):
        read_bytes(root, "a")


def test_a_directory_swapped_for_a_link_during_the_walk_is_noticed(root: Path) -> None:
    """The walk holds the directory itself, so a later swap of its name changes nothing."""
    with spot(root, "src/app.py") as place:
        (root / "src").rename(root / "moved")
        (root / "src").symlink_to("../outside")
        assert os.stat("app.py", dir_fd=place.directory).st_size == 3


def test_a_hard_link_is_not_read_and_never_written_through(root: Path) -> None:
    secret = root.parent / "outside" / "secret.txt"
    os.link(secret, root / "alias.txt")
    with pytest.raises(ToolFault, match="hard link"):
        read_bytes(root, "alias.txt")
    write_bytes(root, "alias.txt", b"mine")
    assert secret.read_bytes() == SECRET
    assert read_bytes(root, "alias.txt") == b"mine"


def test_a_named_pipe_is_refused_without_waiting(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with pytest.raises(ToolFault, match="not a regular file"):
        read_bytes(root, "pipe")
    with pytest.raises(ToolFault, match="not a regular file"):
        write_bytes(root, "pipe", b"x")


def test_a_file_too_large_to_read_says_so(root: Path) -> None:
    with (root / "large").open("wb") as file:
        file.truncate(10_000_001)
    with pytest.raises(ToolFault, match="10,000,001 bytes"):
        read_bytes(root, "large")


def test_writing_makes_directories_and_keeps_the_mode(root: Path) -> None:
    assert write_bytes(root, "a/b/run.sh", b"1") is True
    (root / "a" / "b" / "run.sh").chmod(0o755)
    assert write_bytes(root, "a/b/run.sh", b"2") is False
    assert (root / "a" / "b" / "run.sh").stat().st_mode & 0o777 == 0o755
    assert os.listdir(root / "a" / "b") == ["run.sh"]


def test_a_write_that_fails_leaves_nothing_behind(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("workers.tools.worktree_files.os.replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_bytes(root, "src/app.py", b"half")
    assert os.listdir(root / "src") == ["app.py"]
    assert (root / "src" / "app.py").read_bytes() == b"app"


def test_entries_show_directories_and_links_but_not_git(root: Path) -> None:
    (root / "link").symlink_to("src")
    assert list_entries(root, ".") == ["link -> src", "src/"]
    assert list_entries(root, "link") == ["app.py"]


def test_no_directory_stays_open(root: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    (root / "out").symlink_to("../outside")
    for path in ("src/app.py", "out/secret.txt", "nothing/at/all", "src"):
        for _ in range(3):
            try:
                read_bytes(root, path)
            except ToolFault:
                continue
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_path_of_very_many_parts_is_refused_before_anything_is_made(root: Path) -> None:
    (root / "a").symlink_to("/".join(["b"] * 60))
    for path in ("/".join(["new"] * 101), "a/" + "/".join(["new"] * 60)):
        with pytest.raises(ToolFault, match="more than 100 parts"):
            write_bytes(root, path, b"x")
    assert sorted(os.listdir(root)) == [".git", "a", "src"]
    assert write_bytes(root, "/".join(["new"] * 100), b"x") is True
