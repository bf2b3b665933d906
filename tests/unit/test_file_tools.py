"""What list_dir, read_file, edit_file and write_file answer."""

import time
from pathlib import Path
from typing import Any

import pytest

from workers.sandbox import Level, Sandbox
from workers.tools.files import edit_file, list_dir, read_file, write_file
from workers.tools.search import search
from workers.tools.workplace import ToolFault, Workplace


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    root = tmp_path / "worktree"
    root.mkdir()
    return Workplace(
        worktree=root,
        sandbox=Sandbox(Level.UNCONFINED),
        artifacts=tmp_path / "artifacts",
        cancelled=lambda: False,
        deadline=time.monotonic() + 60,
    )


def put(place: Workplace, name: str, content: str | bytes) -> Path:
    file = place.root / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def test_list_dir(place: Workplace) -> None:
    assert list_dir({"path": "."}, place).output == "(empty)"
    put(place, "b.txt", "")
    (place.root / "a").mkdir()
    assert list_dir({"path": ""}, place).output == "a/\nb.txt"


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        ({}, "1\n2\n3\n"),
        ({"start": 2}, "2\n3\n"),
        ({"end": 1}, "1\n"),
        ({"start": 2, "end": 2}, "2\n"),
        ({"start": 3, "end": 99}, "3\n"),
    ],
)
def test_read_file_gives_the_lines_asked_for(
    place: Workplace, lines: dict[str, int], shown: str
) -> None:
    put(place, "f", "1\n2\n3\n")
    assert read_file({"path": "f", **lines}, place).output == shown


def test_lines_end_where_compilers_and_grep_end_them(place: Workplace) -> None:
    """For Python alone a line ends at a form feed as well."""
    put(place, "f", "one\n\x0c\ntwo = '\u2028'\r\nboom()\n")
    assert read_file({"path": "f", "start": 4}, place).output == "boom()\n"
    assert search({"pattern": "boom|two"}, place).output == "f:3: two = '\u2028'\nf:4: boom()"
    assert "at line 4" in edit_file({"path": "f", "old": "boom", "new": "calm"}, place).output
    assert "4 lines" in write_file({"path": "f", "content": "1\n\x0c2\n3\n4"}, place).output


@pytest.mark.parametrize("lines", [{"start": 4}, {"start": 3, "end": 2}])
def test_lines_that_are_not_there(place: Workplace, lines: dict[str, int]) -> None:
    put(place, "f", "1\n2\n3\n")
    with pytest.raises(ToolFault, match="has 3 lines"):
        read_file({"path": "f", **lines}, place)


def test_text_in_another_encoding_is_read_but_not_edited(place: Workplace) -> None:
    put(place, "f", b"caf\xe9 old")
    assert read_file({"path": "f"}, place).output == "caf\ufffd old"
    with pytest.raises(ToolFault, match="not UTF-8"):
        edit_file({"path": "f", "old": "old", "new": "new"}, place)


def test_binary_files_are_refused(place: Workplace) -> None:
    put(place, "f", b"PK\0\0")
    with pytest.raises(ToolFault, match="not a text file"):
        read_file({"path": "f"}, place)


def test_edit_replaces_the_one_occurrence_and_nothing_else(place: Workplace) -> None:
    file = put(place, "f", "a = 1\r\nb = 2\r\n")
    answer = edit_file({"path": "f", "old": "b = 2", "new": "b = 3"}, place)
    assert answer.output == "Replaced 1 occurrence in f, at line 2."
    assert file.read_bytes() == b"a = 1\r\nb = 3\r\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"old": "z", "new": "y"}, "does not occur"),
        ({"old": "x", "new": "y"}, "occurs 3 times in 'f', at line 1, 3"),
        ({"old": "x", "new": "x"}, "nothing would change"),
    ],
)
def test_an_edit_that_is_not_clear_changes_nothing(
    place: Workplace, arguments: dict[str, Any], words: str
) -> None:
    file = put(place, "f", "x x\n\nx\n")
    with pytest.raises(ToolFault, match=words):
        edit_file({"path": "f", **arguments}, place)
    assert file.read_text() == "x x\n\nx\n"


def test_replace_all(place: Workplace) -> None:
    file = put(place, "f", "x x\n\nx\n")
    edit_file({"path": "f", "old": "x", "new": "y", "replace_all": True}, place)
    assert file.read_text() == "y y\n\ny\n"


def test_write_creates_then_replaces(place: Workplace) -> None:
    arguments = {"path": "docs/a.md", "content": "one\ntwo\n"}
    assert write_file(arguments, place).output == "Created docs/a.md: 2 lines."
    assert write_file(arguments | {"content": "one"}, place).output == (
        "Replaced docs/a.md: 1 line."
    )
    assert (place.root / "docs" / "a.md").read_text() == "one"


def test_text_that_no_file_can_hold(place: Workplace) -> None:
    with pytest.raises(ToolFault, match="surrogate"):
        write_file({"path": "f", "content": "\ud800"}, place)
    assert not (place.root / "f").exists()


def test_a_task_without_files_has_none(place: Workplace) -> None:
    without = Workplace(None, place.sandbox, place.artifacts, place.cancelled, place.deadline)
    with pytest.raises(ToolFault, match="no files"):
        read_file({"path": "f"}, without)
