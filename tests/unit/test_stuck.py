"""An agent that goes in circles is noticed; one that makes progress is not."""

import pytest

from workers.stuck import Circles
from workers.turns import ToolCall, ToolResult

Event = tuple[str, str, bool]
READ: Event = ("read", "text", True)
FAIL: Event = ("pytest", "1 failed in 0.12s", False)


def found(*events: Event) -> str | None:
    circles = Circles()
    for action, output, ok in events:
        circles.note([ToolCall("c", action)], [ToolResult("c", ok, output)])
    return circles.found()


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([READ] * 4, "same result 4 times"),
        ([FAIL] * 3, "failed 3 times"),
        ([("pytest", str(number), False) for number in range(3)], "failed 3 times"),
        ([READ, ("edit", "ok", True)] * 3, "took turns over 6 calls"),
        ([("edit", "ok", True), *[READ] * 4], "same result"),
    ],
)
def test_circles(events: list[Event], words: str) -> None:
    assert words in str(found(*events))


@pytest.mark.parametrize(
    "events",
    [
        [],
        [READ] * 3,
        [FAIL] * 2,
        [FAIL, FAIL, ("edit", "ok", True), FAIL],
        [("read", str(number), True) for number in range(8)],
        [READ, ("edit", "ok", True)] * 2,
        [each for number in range(4) for each in (("edit", str(number), True), READ)],
    ],
)
def test_progress(events: list[Event]) -> None:
    assert found(*events) is None


def test_durations_times_and_addresses_make_no_difference() -> None:
    outputs = [f"<at 0x7f{n}> 3 passed in 0.{n}2s at 12:00:0{n}" for n in range(4)]
    assert found(*[("pytest", output, True) for output in outputs]) is not None


def test_other_arguments_are_another_action() -> None:
    circles = Circles()
    for number in range(4):
        circles.note([ToolCall("c", "read", {"path": str(number)})], [ToolResult("c", True, "")])
    assert circles.found() is None
