"""Whatever an agent has made of a directory, it can be removed, and nothing else with it."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from workers.git.removal import remove_tree

# More than Python calls within calls, than a process may have files open, than a path can name.
DEEP = 3_000
NOBODY = 65_534


def deepen(root: Path, depth: int) -> None:
    """So many directories in one another, the last one with a file."""
    inner = os.open(root, os.O_RDONLY)
    for _ in range(depth):
        outer = inner
        os.mkdir("a", dir_fd=outer)
        inner = os.open("a", os.O_RDONLY, dir_fd=outer)
        os.close(outer)
    os.close(os.open("file", os.O_CREAT, dir_fd=inner))
    os.close(inner)


def test_no_depth_is_too_deep(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    deepen(root, DEEP)
    before = len(os.listdir("/proc/self/fd"))
    remove_tree(root)
    assert not root.exists()
    assert len(os.listdir("/proc/self/fd")) == before


def test_many_directories_beside_each_other(tmp_path: Path) -> None:
    for name in ("a/b/c", "a/b/d", "a/e", "f/a/b"):
        (tmp_path / "root" / name).mkdir(parents=True)
        (tmp_path / "root" / name / "file").write_text("x")
    (tmp_path / "beside").mkdir()
    remove_tree(tmp_path / "root")
    assert os.listdir(tmp_path) == ["beside"]


def test_links_are_removed_and_never_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("x")
    root = tmp_path / "root"
    (root / "inner").mkdir(parents=True)
    (root / "inner" / "link").symlink_to(tmp_path / "precious")
    (root / "dangling").symlink_to("nowhere")
    os.mkfifo(root / "pipe")
    remove_tree(root)
    assert os.listdir(tmp_path) == ["precious"]
    (tmp_path / "link").symlink_to("precious")
    with pytest.raises(OSError):
        remove_tree(tmp_path / "link")
    assert os.listdir(tmp_path / "precious") == ["file"]


def test_what_is_not_there_is_fine(tmp_path: Path) -> None:
    remove_tree(tmp_path / "nothing")


def test_what_was_moved_away_meanwhile_leads_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    (root / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "other" / "a").mkdir(parents=True)
    remove = os.rmdir

    def moved(name: str, **options: int) -> None:
        remove(name, **options)
        monkeypatch.undo()
        (root / "a" / "b").rename(tmp_path / "other" / "b")

    monkeypatch.setattr("workers.git.removal.os.rmdir", moved)
    with pytest.raises(OSError, match="moved"):
        remove_tree(root)
    assert sorted(os.listdir(tmp_path / "other")) == ["a", "b"]


@pytest.mark.parametrize("mode", [0o000, 0o500, 0o600])
def test_directories_without_permissions_get_them_back(mode: int) -> None:
    """Done as nobody: to root every directory is open."""
    code = f"""
        import os
        from pathlib import Path
        from tempfile import TemporaryDirectory
        from workers.git.removal import remove_tree
        if os.getuid() == 0:
            os.setgid({NOBODY})
            os.setuid({NOBODY})
        with TemporaryDirectory() as place:
            root = Path(place, "outer", "root")
            (root / "closed" / "inner").mkdir(parents=True)
            (root / "closed" / "inner" / "file").write_text("x")
            for each in (root / "closed" / "inner", root / "closed", root):
                each.chmod({mode})
            root.parent.chmod(0o500)
            remove_tree(root)
            assert not root.exists()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
