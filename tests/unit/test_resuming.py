"""What a transcript tells whoever goes on with it, wherever the worker was killed."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conductor_app.domain.outcome import Question
from conductor_app.tool_specs import ToolSpec
from tests.fakes.scripted_connector import FINISH, ScriptedConnector, Step, says
from tests.unit.test_loop import Attempt, write
from workers.compaction import AFTERWARDS, compact, size
from workers.conversation import Earlier, read_back
from workers.failures import AttemptFailed
from workers.suspension import Suspend
from workers.tools.toolbox import ASK
from workers.transcript import FILE_NAME, read_lines
from workers.turns import Message, Turn, Usage

READ = says("I look.", ("read_file", {"path": "a"}), ("list_dir", {"path": "."}))
BIG = "word " * 2_000
STEPS: Sequence[Step] = (
    replace(write("a"), raw=[{"type": "thinking", "signature": "abc"}]),
    READ,
    says("Hm."),
    replace(says("Thinking."), stop="paused"),
    replace(says("Still thinking."), stop="paused"),
    says("", ("write_file", {"path": "b", "content": BIG}), ("read_file", {"path": "b"})),
    says("", ("read_file", {"path": "b"})),
    says("", ("run_command", {"command": "echo c > c; cat a b c"})),
    says("", ("write_file", {"path": "", "content": ""})),
    says("", ("read_file", {"path": "b"}), ("list_dir", {"path": "."})),
    write("d"),
    FINISH,
)


class Windowed(ScriptedConnector):
    """A model whose window is soon full, and who counts what it is told."""

    window = 12_000

    def turn(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Turn:
        return replace(super().turn(messages, tools), usage=Usage(size(messages), 10))


def earlier(folder: Path) -> Earlier | None:
    return read_back(read_lines(folder), ASK)


def cut(folder: Path, content: bytes, length: int) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / FILE_NAME).write_bytes(content[:length])
    return folder


def test_wherever_it_is_cut_it_tells_what_the_model_was_told(tmp_path: Path) -> None:
    connector = Windowed(STEPS)
    run = Attempt(tmp_path, connector)
    run.run()
    assert any("shortened the conversation" in line for line in run.log)
    content = (run.context.artifacts / FILE_NAME).read_bytes()
    ends = [n for n, byte in enumerate(content) if byte == ord("\n")]
    for length in sorted({at for end in ends for at in (end - 3, end, end + 1, end + 9)}):
        found = earlier(cut(tmp_path / "cut", content, length))
        if found is None:
            continue
        # Turn n+1 was had with what came of the first n.
        had = len(found.exchanges)
        if had < len(STEPS):
            read = found.conversation.messages
            # Cut before that was written, it is shortened by whoever goes on.
            short = compact(read, int(AFTERWARDS * Windowed.window))
            assert connector.conversations[had] in (read, short), length
        assert [each.whole for each in found.exchanges] == [True] * had


def test_whether_files_can_have_changed_since_is_known(tmp_path: Path) -> None:
    """Between a turn and its results anything may have happened, unless it only reads."""
    run = Attempt(tmp_path, ScriptedConnector([write("a"), READ, write("b"), FINISH]))
    run.run()
    lines = run.transcript()
    clean = {}
    for number in range(4, len(lines) + 1):
        kept = "".join(json.dumps(line) + "\n" for line in lines[:number]).encode()
        found = earlier(cut(tmp_path / "cut", kept, len(kept)))
        assert found is not None
        clean[lines[number - 1]["type"], len(found.exchanges)] = found.clean
    assert clean == {
        ("result", 1): True,
        ("turn", 1): True,
        # The first of its two results.
        ("result", 2): True,
        ("turn", 2): False,
        ("result", 3): True,
        ("turn", 3): True,
        ("result", 4): True,
        ("end", 4): True,
    }


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [{"type": "transcript"}],
        [{"type": "transcript"}, {"type": "opening", "messages": []}],
        [{"type": "transcript"}, {"type": "opening"}, {"type": "turn"}],
        [{"type": "opening", "messages": []}, {"type": "transcript"}],
        [{"type": "transcript"}, {"type": "opening", "messages": [{}]}, {"type": "turn"}],
    ],
)
def test_from_what_says_nothing_nobody_goes_on(lines: list[dict[str, Any]]) -> None:
    assert read_back(lines, ASK) is None


def goes_on(run: Attempt, tmp_path: Path, *steps: Step, **changes: Any) -> Attempt:
    found = earlier(run.context.artifacts)
    assert found is not None
    return Attempt(
        tmp_path,
        ScriptedConnector(steps),
        artifacts=tmp_path / "next",
        earlier=replace(found, remark="You were interrupted."),
        **changes,
    )


def test_it_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    def breaks(_: Sequence[Message]) -> Turn:
        raise AttemptFailed("TEMPORARY_FAILURE", "The connection was cut.")

    first = Attempt(tmp_path, ScriptedConnector([write("a"), READ, breaks]))
    with pytest.raises(Suspend):
        first.run()
    second = goes_on(first, tmp_path, write("b"), FINISH)
    result = second.run()
    assert isinstance(second.context.connector, ScriptedConnector)
    told = second.context.connector.conversations[0]
    assert [message.role for message in told] == [
        "system",
        "user",
        *("assistant", "tool") * 2,
        "user",
    ]
    assert told[-1].text == "You were interrupted."
    # What the first one used is in its own account.
    assert (result.turns, second.context.turns) == (2, 2)
    assert "goes on after 2 turns" in second.log[0]
    # And its own transcript is enough for a third.
    whole = earlier(tmp_path / "next")
    assert whole is not None and len(whole.exchanges) == 4


def test_between_a_turn_that_paused_and_the_next_one_nothing_is_said(tmp_path: Path) -> None:
    def breaks(_: Sequence[Message]) -> Turn:
        raise AttemptFailed("TEMPORARY_FAILURE", "The connection was cut.")

    paused = replace(says("Thinking."), stop="paused")
    first = Attempt(tmp_path, ScriptedConnector([write("a"), paused, breaks]))
    with pytest.raises(Suspend):
        first.run()
    second = goes_on(first, tmp_path, paused, write("b"), FINISH)
    second.run()
    assert isinstance(second.context.connector, ScriptedConnector)
    told = [each[-1] for each in second.context.connector.conversations]
    assert told[:2] == [Message("assistant", "Thinking.")] * 2
    assert told[2].text == "You were interrupted."
    whole = earlier(tmp_path / "next")
    assert whole is not None and len(whole.exchanges) == 5


def test_turns_are_counted_from_the_first_attempt(tmp_path: Path) -> None:
    first = Attempt(tmp_path, ScriptedConnector([write("a"), write("b"), write("c")]))
    first.fails("TOOL_LIMIT", turns=3)
    goes_on(first, tmp_path, FINISH).fails("TOOL_LIMIT", turns=3)


def test_what_was_finished_needs_no_turn(tmp_path: Path) -> None:
    first = Attempt(tmp_path, ScriptedConnector([write("a"), FINISH]))
    first.run()
    assert goes_on(first, tmp_path).run().summary == "all done"


class Desk:
    """A person who answers when asked for the second time."""

    def __init__(self) -> None:
        self.asked: list[Question] = []

    def answer(self, question: Question) -> str | None:
        self.asked.append(question)
        return "SQLite" if len(self.asked) > 1 else None

    def remember(self, category: str, lesson: str, action: str) -> None: ...

    def signal(self, type_: Any, title: str, detail: str) -> None: ...


def test_an_answer_is_the_result_of_the_call_that_asked(tmp_path: Path) -> None:
    """Its neighbours in the turn have had theirs, and are not performed again."""
    desk = Desk()
    call = (ASK, {"question": " Which? ", "options": ["SQLite", "PostgreSQL"]})
    asks = says("", ("run_command", {"command": "echo x >> ran"}), call)
    first = Attempt(tmp_path, ScriptedConnector([asks]), desk=desk)
    with pytest.raises(Suspend) as wait:
        first.run()
    assert wait.value.question == Question("c2", "Which?", ("SQLite", "PostgreSQL"))
    second = goes_on(first, tmp_path, FINISH, desk=desk)
    second.run()
    assert (tmp_path / "worktree" / "ran").read_text() == "x\n"
    assert isinstance(second.context.connector, ScriptedConnector)
    (told,) = second.context.connector.conversations
    assert [result.output for result in told[3].results] == ["", "SQLite"]


@pytest.mark.parametrize(
    "arguments", [{"question": ""}, {"question": "Which?", "options": "a,b"}, "what?"]
)
def test_killed_before_it_was_told_that_it_asks_in_a_wrong_way_it_is_told_later(
    tmp_path: Path, arguments: Any
) -> None:
    first = Attempt(tmp_path, ScriptedConnector([says("", (ASK, arguments)), FINISH]), desk=Desk())
    first.run()
    lines = first.transcript()
    turn = next(number for number, line in enumerate(lines) if line["type"] == "turn")
    kept = "".join(json.dumps(line) + "\n" for line in lines[: turn + 1]).encode()
    cut(first.context.artifacts, kept, len(kept))
    desk = Desk()
    second = goes_on(first, tmp_path, FINISH, desk=desk)
    assert second.run().summary == "all done"
    assert not desk.asked
    assert isinstance(second.context.connector, ScriptedConnector)
    (told,) = second.context.connector.conversations
    (result,) = told[3].results
    assert not result.ok and result.output == lines[turn + 1]["output"]


def test_unanswered_it_waits_on(tmp_path: Path) -> None:
    first = Attempt(tmp_path, ScriptedConnector([says("", (ASK, {"question": "Q"}))]), desk=Desk())
    with pytest.raises(Suspend):
        first.run()
    second = goes_on(first, tmp_path, desk=Desk())
    with pytest.raises(Suspend):
        second.run()
    assert earlier(tmp_path / "next") is not None


def test_what_is_too_long_from_the_beginning_can_not_be_shortened(tmp_path: Path) -> None:
    class Narrow(ScriptedConnector):
        window = 5

    run = Attempt(tmp_path, Narrow([FINISH]))
    run.run()
    assert not [line for line in run.log if "shortened" in line]
