"""A shortened conversation is still one: no call without its result, no result without its call."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.compaction import compact, size
from workers.turns import Message, ToolCall, ToolResult

TEXT = st.integers(0, 4_000).map(lambda length: "word " * (length // 5))
OPENING = [Message("system", "You are a test."), Message("user", "Do it.")]
# A turn that pauses goes on in the model's next message.
PAUSED = "paused"


@st.composite
def turns(draw: st.DrawFn, number: int) -> list[Message]:
    """A model's message with what followed it."""
    calls = tuple(
        ToolCall(f"t{number}-{index}", "run_command", {"command": draw(TEXT)})
        for index in range(draw(st.integers(0, 3)))
    )
    raw: Any = [{"text": draw(TEXT)}] if draw(st.booleans()) else None
    said = [Message("assistant", f"{number} {PAUSED}")] if draw(st.booleans()) else []
    said.append(Message("assistant", f"{number} {draw(TEXT)}", tool_calls=calls, raw=raw))
    if calls:
        results = tuple(ToolResult(call.id, True, draw(TEXT), 0) for call in calls)
        said.append(Message("tool", results=results))
    if not calls or draw(st.booleans()):
        said.append(Message("user", "Go on."))
    return said


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    count = draw(st.integers(0, 25))
    return [*OPENING, *(each for number in range(count) for each in draw(turns(number)))]


def assert_it_is_one(messages: Sequence[Message]) -> None:
    """As every provider wants it."""
    assert messages[: len(OPENING)] == OPENING
    for message, following in zip(messages, [*messages[1:], None], strict=True):
        if message.text.endswith(PAUSED):
            assert following is not None and following.role == "assistant"
        elif message.tool_calls:
            assert following is not None and following.role == "tool"
            ids = [result.call_id for result in following.results]
            assert ids == [call.id for call in message.tool_calls]
        elif following is not None:
            assert following.role != "tool"


def models(messages: Sequence[Message]) -> list[Message]:
    return [message for message in messages if message.role == "assistant"]


@given(conversations(), st.integers(1, 30_000))
def test_calls_and_results_stay_together(messages: list[Message], target: int) -> None:
    assert_it_is_one(messages)
    short = compact(messages, target)
    assert_it_is_one(short)
    # What is left of it is as it was, in its order, and its end is there.
    said = models(messages)
    left = [said.index(message) for message in models(short)]
    assert left == sorted(set(left))
    assert models(short)[-1:] == said[-1:]


@given(conversations(), st.integers(1, 30_000))
def test_it_is_as_short_as_was_asked_for(messages: list[Message], target: int) -> None:
    short = compact(messages, target)
    if size(messages) <= target:
        assert short == messages
    if size(short) > target:
        # Only what can't be missed is there: the opening, and the last turn without its outputs.
        assert len([each for each in models(short) if not each.text.endswith(PAUSED)]) <= 1
        assert all(len(each.output) <= 400 for message in short for each in message.results)


@given(conversations(), st.integers(1, 30_000))
def test_whoever_resumes_shortens_it_the_same_way(messages: list[Message], target: int) -> None:
    """The transcript says where it was shortened, and that is done again from its lines."""
    assert compact(messages, target) == compact(list(messages), target)


@pytest.mark.parametrize("again", [2, 5])
def test_it_can_be_shortened_again_and_again(again: int) -> None:
    messages = [*OPENING]
    for number in range(40 * again):
        call = ToolCall(f"c{number}", "read_file", {"path": "f"})
        messages.append(Message("assistant", "I read.", tool_calls=(call,)))
        messages.append(Message("tool", results=(ToolResult(call.id, True, "x" * 3_000),)))
        if size(messages) > 20_000:
            messages = compact(messages, 10_000)
            assert size(messages) <= 10_000
            assert_it_is_one(messages)
    notes = [each for each in messages if "left out here" in each.text]
    assert len(notes) <= again * 4
