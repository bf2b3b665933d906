"""Log lines stay lines, whatever a model, a file or a program puts into them."""

import pytest

from workers.narration import call_line, call_words, one_line, turn_line
from workers.turns import ToolCall, ToolResult, Turn, Usage


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("one\ntwo\r\nthree\ttabs", "one two three tabs"),
        ("\x1b[31mred\x1b[0m \x1b]0;title\x07end", "red end"),
        ("bell\x07 null\0 bidi\u202e half\ud800", "bell null bidi half"),
        ("é ü 漢字", "é ü 漢字"),
        ("x" * 500, "x" * 159 + "…"),
    ],
)
def test_one_line(text: str, line: str) -> None:
    assert one_line(text) == line


@pytest.mark.parametrize(
    ("call", "result", "line"),
    [
        (
            ToolCall("c", "run_command", {"command": "pytest\n-q", "timeout": 5}),
            ToolResult("c", False, "1 failed", 1, 0.5),
            "  run_command pytest -q [exit code 1, 0.50 s]",
        ),
        (
            ToolCall("c", "write_file", {"path": "a", "content": "secret"}),
            ToolResult("c", True, "Created a"),
            "  write_file a [ok, 0.00 s]",
        ),
        (
            ToolCall("c", "edit_file", {"path": "a"}),
            ToolResult("c", False, "`old` is missing"),
            "  edit_file a [failed, 0.00 s]: `old` is missing",
        ),
        (ToolCall("c", "x\ny", "words"), ToolResult("c", True, ""), "  x y [ok, 0.00 s]"),
    ],
)
def test_a_calls_line(call: ToolCall, result: ToolResult, line: str) -> None:
    assert call_line(call, result) == line


def test_a_long_command_is_cut_but_its_ending_shows() -> None:
    call = ToolCall("c", "run_command", {"command": "x" * 500})
    assert call_line(call, ToolResult("c", True, "", 0)).endswith("… [exit code 0, 0.00 s]")


def test_no_half_of_a_secret_is_left_where_a_line_is_cut() -> None:
    key = "sk-ant-" + "0a1b2c3d" * 5
    assert "sk-ant" not in one_line("x" * 140 + " " + key)
    call = ToolCall("1", "run_command", {"command": "echo " + "x" * 60 + " " + key})
    assert "sk-ant" not in call_words(call)


def test_a_turns_line() -> None:
    calls = (ToolCall("c", "finish"),)
    assert turn_line(3, Turn("Now\nthe API.", calls, Usage(), "replay")) == (
        "turn 3 (replay): Now the API."
    )
    assert turn_line(4, Turn("", calls, Usage(), "replay")) == "turn 4 (replay): 1 call"
