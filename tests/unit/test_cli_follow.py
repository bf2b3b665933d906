"""Log files as they grow."""

from pathlib import Path

from conductor_app.cli.follow import Follower, Source


def lines(found: object) -> list[tuple[str, list[str]]]:
    return [(source.name, text) for source, text in found]  # type: ignore[attr-defined]


def test_the_last_lines_then_what_is_added(tmp_path: Path) -> None:
    file = tmp_path / "api.log"
    file.write_text("one\ntwo\nthree\n")
    follower = Follower(lambda: [Source("api", file)])
    assert lines(follower.last(2)) == [("api", ["two", "three"])]
    assert lines(follower.added()) == []
    with file.open("a") as log:
        log.write("four\nhalf of ")
    assert lines(follower.added()) == [("api", ["four"])]
    with file.open("a") as log:
        log.write("five\n")
    assert lines(follower.added()) == [("api", ["half of five"])]


def test_what_is_skipped_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "api.log"
    file.write_text("one\ntwo\n")
    follower = Follower(lambda: [Source("api", file)])
    follower.skip()
    assert lines(follower.added()) == []
    with file.open("a") as log:
        log.write("three\n")
    assert lines(follower.added()) == [("api", ["three"])]


def test_a_source_that_is_new_is_shown_from_its_start(tmp_path: Path) -> None:
    known: list[Source] = []
    follower = Follower(lambda: known)
    assert lines(follower.last(5)) == []
    file = tmp_path / "log.txt"
    file.write_text("a\nb\n")
    known.append(Source("attempt 1", file))
    assert lines(follower.added()) == [("attempt 1", ["a", "b"])]


def test_a_rotated_file_is_read_from_its_start(tmp_path: Path) -> None:
    file = tmp_path / "api.log"
    file.write_text("old line\n")
    follower = Follower(lambda: [Source("api", file)])
    list(follower.last(1))
    file.write_text("new\n")
    assert lines(follower.added()) == [("api", ["new"])]


def test_no_lines_a_missing_file_and_bytes_that_are_no_text(tmp_path: Path) -> None:
    file = tmp_path / "x.log"
    follower = Follower(lambda: [Source("x", file)])
    assert lines(follower.last(3)) == [("x", [])]
    file.write_bytes(b"\xff\xfe\n")
    assert lines(follower.last(0)) == [("x", [])]
    assert lines(follower.last(1)) == [("x", ["\ufffd\ufffd"])]
