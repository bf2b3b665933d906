"""The agent loop: what it keeps, what it tells the model, and everything that makes it stop."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conductor_app.domain.outcome import Question
from tests.fakes.attempts import agent_context, agent_task
from tests.fakes.scripted_connector import FINISH, ScriptedConnector, Step, says
from workers.agents.base import AgentResult, Connector
from workers.failures import AttemptFailed
from workers.loop import LoopLimits, run_loop
from workers.suspension import Suspend
from workers.turns import Message, Turn, Usage

OPENING = [Message("system", "You are a test."), Message("user", "Do it.")]


class Attempt:
    """One attempt in a directory of its own, with its log lines."""

    def __init__(self, folder: Path, connector: Connector | None, **changes: Any) -> None:
        self.log: list[str] = []
        self.context = agent_context(folder, connector=connector, log=self.log.append, **changes)

    def run(self, **limits: int) -> AgentResult:
        return run_loop(agent_task(), self.context, OPENING, LoopLimits(**limits))

    def fails(self, kind: str, **limits: int) -> AttemptFailed:
        with pytest.raises(AttemptFailed) as failure:
            self.run(**limits)
        assert failure.value.kind == kind
        return failure.value

    def transcript(self) -> list[dict[str, Any]]:
        lines = (self.context.artifacts / "transcript.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


def attempt(tmp_path: Path, *steps: Step, **changes: Any) -> Attempt:
    return Attempt(tmp_path, ScriptedConnector(steps), **changes)


def write(name: str) -> Turn:
    return says("", ("write_file", {"path": name, "content": name}))


def test_the_work_is_done_and_summed_up(tmp_path: Path) -> None:
    connector = ScriptedConnector([write("a.txt"), FINISH])
    run = Attempt(tmp_path, connector)
    result = run.run()
    assert result == AgentResult("all done", Usage(200, 20), turns=2)
    assert (tmp_path / "worktree" / "a.txt").read_text() == "a.txt"
    assert [len(results) for results in connector.observed] == [1, 1]


def test_the_conversation_grows_and_its_beginning_stays(tmp_path: Path) -> None:
    """What was said once is said the same way again: a model's cache depends on it."""
    connector = ScriptedConnector([write("a"), write("b"), FINISH])
    Attempt(tmp_path, connector).run()
    first, second, third = connector.conversations
    assert first == OPENING
    assert second[: len(first)] == first
    assert third[: len(second)] == second
    assert [message.role for message in third[2:]] == ["assistant", "tool"] * 2
    calls, answers = third[2], third[3]
    assert [r.call_id for r in answers.results] == [c.id for c in calls.tool_calls]


def test_the_transcript_has_every_turn_in_a_recordings_words(tmp_path: Path) -> None:
    run = attempt(tmp_path, write("a"), FINISH)
    run.run()
    lines = run.transcript()
    assert [line["type"] for line in lines] == [
        "transcript",
        "opening",
        *("turn", "result") * 2,
        "end",
    ]
    assert lines[0] | {"task": "0/a", "workflow": "w", "attempt": 1} == lines[0]
    assert [each["role"] for each in lines[1]["messages"]] == ["system", "user"]
    assert lines[2]["tool_calls"][0]["name"] == "write_file"
    assert lines[2]["usage"]["input_tokens"] == 100
    assert lines[3]["id"] == lines[2]["tool_calls"][0]["id"]
    assert lines[-1] == {"type": "end", "outcome": "finished", "message": "all done"}


def test_the_transcript_is_written_after_every_turn(tmp_path: Path) -> None:
    def look(_: Sequence[Message]) -> Turn:
        kept = [line["type"] for line in run.transcript()]
        assert kept == ["transcript", "opening", "turn", "result"]
        return FINISH

    run = attempt(tmp_path, write("a"), look)
    run.run()


def test_the_log_tells_what_happens_live(tmp_path: Path) -> None:
    run = attempt(tmp_path, says("I look.", ("read_file", {"path": "nothing"})), FINISH)
    run.run()
    assert run.log[0] == "turn 1 (scripted): I look."
    assert run.log[1].startswith("  read_file nothing [failed, 0.00 s]: There is no 'nothing'")
    assert run.log[-1] == "finished: all done"


def test_a_turn_without_a_call_is_reminded(tmp_path: Path) -> None:
    connector = ScriptedConnector([says("Hm."), FINISH])
    Attempt(tmp_path, connector).run()
    assert "call finish" in connector.conversations[1][-1].text


def test_answers_without_a_call_end_it(tmp_path: Path) -> None:
    run = attempt(tmp_path, *[says("I am done, trust me.")] * 3)
    failure = run.fails("NO_RESULT")
    assert failure.message == (
        "The agent stopped without finishing: 3 answers without a tool call, the last one: "
        "'I am done, trust me.'. Word the task more clearly, make it smaller, or give it to "
        "another model. `conductor logs 0/a` shows what it did."
    )
    assert failure.detail == "I am done, trust me."


def test_empty_answers_end_it_in_a_way_of_their_own(tmp_path: Path) -> None:
    failure = attempt(tmp_path, *[says("")] * 3).fails("EMPTY_ANSWER")
    assert "the last one empty. Give the task to another model. `conductor logs" in failure.message


def test_an_action_in_between_starts_the_count_again(tmp_path: Path) -> None:
    idle = says("Hm.")
    assert attempt(tmp_path, idle, idle, write("a"), idle, idle, FINISH).run().turns == 6


def test_circles_end_it(tmp_path: Path) -> None:
    failure = attempt(tmp_path, *[says("", ("list_dir", {"path": "."}))] * 4).fails("STUCK")
    assert "same result 4 times" in failure.message


def test_calls_that_no_tool_takes_end_it_in_ways_of_their_own(tmp_path: Path) -> None:
    unknown = says("", ("teleport", {"to": "production"}))
    failure = attempt(tmp_path, *[unknown] * 6).fails("UNKNOWN_TOOL")
    told = "does not have: `teleport` failed 3 times, the last time with: There is no tool"
    assert told in failure.message
    broken = says("", ("read_file", '{"path": oops}'))
    failure = attempt(tmp_path, *[broken] * 6).fails("BAD_ARGUMENTS")
    assert "does not take: `read_file` failed 3 times" in failure.message
    assert "the arguments must be an object" in failure.message


def test_of_a_command_that_fails_again_and_again_the_last_line_is_told(tmp_path: Path) -> None:
    command = says("", ("run_command", {"command": "echo one; echo two; exit 3"}))
    failure = attempt(tmp_path, *[command] * 6).fails("STUCK")
    assert "exit 3` failed 3 times, the last time with: exit code 3: two. " in failure.message


def test_turns_run_out(tmp_path: Path) -> None:
    def endless() -> Iterator[Turn]:
        number = 0
        while True:
            number += 1
            yield write(str(number))

    run = Attempt(tmp_path, ScriptedConnector(endless()))
    failure = run.fails("TOOL_LIMIT", turns=5)
    assert "all of its 5 turns" in failure.message
    assert "or its connector's `max_turns` larger" in failure.message
    assert run.context.turns == 5


def test_cancelling_stops_before_the_next_turn(tmp_path: Path) -> None:
    cancelled: list[bool] = []

    def cancel(_: Sequence[Message]) -> Turn:
        cancelled.append(True)
        return write("late")

    run = attempt(tmp_path, write("a"), cancel, cancelled=lambda: bool(cancelled))
    run.fails("CANCELLED")
    assert not (tmp_path / "worktree" / "late").exists()
    assert run.transcript()[-2]["ok"] is False


def test_the_deadline_stops_it(tmp_path: Path) -> None:
    run = attempt(tmp_path, FINISH, deadline=time.monotonic() - 1)
    assert "300 s" in run.fails("TIMEOUT").message
    assert run.context.turns == 0


def test_an_agent_that_gives_up_fails_with_its_words(tmp_path: Path) -> None:
    gives_up = says("", ("finish", {"summary": "the API is gone", "status": "failed"}))
    assert "the API is gone" in attempt(tmp_path, gives_up).fails("AGENT_ERROR").message


def test_what_a_failed_attempt_used_is_accounted_for(tmp_path: Path) -> None:
    run = attempt(tmp_path, *[says("", ("list_dir", {"path": "."}), usage=Usage(7, 3, 2, 11))] * 4)
    run.fails("STUCK")
    assert run.context.usage == Usage(28, 12, 8, 44)
    assert run.transcript()[-1]["outcome"] == "STUCK"


def test_a_connector_that_fails_is_on_the_record(tmp_path: Path) -> None:
    def refuse(_: Sequence[Message]) -> Turn:
        raise AttemptFailed("SPEND_LIMIT", "The spend limit is reached.", retryable=False)

    run = attempt(tmp_path, write("a"), refuse)
    run.fails("SPEND_LIMIT")
    assert run.transcript()[-1]["message"] == "The spend limit is reached."
    assert run.log[-1] == "stopped: The spend limit is reached."


def test_no_connector_no_work(tmp_path: Path) -> None:
    failure = Attempt(tmp_path, None).fails("AGENT_ERROR")
    assert "no connector" in failure.message
    assert not failure.retryable


class Nobody:
    """A desk where nobody answers."""

    def answer(self, question: Question) -> None:
        return None


def test_nobody_goes_on_behind_a_command_that_was_stopped_half_way(tmp_path: Path) -> None:
    """Nor is the person asked who was to be asked beside it."""
    turn = says(
        "",
        ("run_command", {"command": "touch begun; sleep 60"}),
        ("ask", {"question": "Which?"}),
    )
    begun = tmp_path / "worktree" / "begun"
    run = attempt(tmp_path, turn, FINISH, cancelled=begun.exists, desk=Nobody())
    run.fails("CANCELLED")
    assert [line["type"] for line in run.transcript()].count("result") == 0


def test_what_would_be_masked_in_a_signed_thought_is_not_kept(tmp_path: Path) -> None:
    """The next attempt would send it back as its model never said it."""
    secret = "sk-ant-" + "0a1b2c3d" * 5
    turns = [replace(write(name), raw={"messages": [name]}) for name in ("a.txt", secret)]
    run = attempt(tmp_path, *turns, FINISH)
    run.run()
    kept = [line.get("raw") for line in run.transcript() if line["type"] == "turn"]
    assert kept == [{"messages": ["a.txt"]}, None, None]


def test_a_task_without_files_may_only_finish(tmp_path: Path) -> None:
    connector = ScriptedConnector([FINISH])
    Attempt(tmp_path, connector, worktree=None).run()
    assert connector.offered == ["finish"]


def test_a_limit_of_the_model_is_waited_for_without_a_worker(tmp_path: Path) -> None:
    def limited(_: Sequence[Message]) -> Turn:
        raise AttemptFailed("API_LIMIT", "Too many calls.", retry_after=30)

    run = attempt(tmp_path, write("a"), limited)
    with pytest.raises(Suspend) as wait:
        run.run()
    assert (wait.value.kind, wait.value.seconds, wait.value.bounded) == ("API_LIMIT", 30, True)
    assert run.transcript()[-1] == {
        "type": "end",
        "outcome": "suspended",
        "message": "Too many calls.",
    }
    assert run.context.turns == 1


@pytest.mark.parametrize(("retry_after", "pauses"), [(2.0, False), (None, True)])
def test_an_empty_budget_is_waited_for(
    tmp_path: Path, retry_after: float | None, pauses: bool
) -> None:
    def refuse(_: Sequence[Message]) -> Turn:
        raise AttemptFailed(
            "BUDGET_EXHAUSTED", "Nothing left.", retryable=False, retry_after=retry_after
        )

    with pytest.raises(Suspend) as wait:
        attempt(tmp_path, refuse).run()
    assert (wait.value.pauses, wait.value.bounded) == (pauses, False)


def test_a_cut_answer_is_not_carried_out_and_its_model_told_once(tmp_path: Path) -> None:
    cut = replace(write("half"), stop="cut")
    connector = ScriptedConnector([cut, write("whole"), cut, FINISH])
    Attempt(tmp_path, connector).run()
    assert not (tmp_path / "worktree" / "half").exists()
    assert (tmp_path / "worktree" / "whole").exists()
    result, note = connector.conversations[1][-2:]
    assert [each.ok for each in result.results] == [False]
    assert "cut off" in note.text


def test_cut_twice_in_a_row_it_fails(tmp_path: Path) -> None:
    cut = replace(says("Let me explain"), stop="cut")
    assert "twice in a row" in attempt(tmp_path, cut, cut).fails("NO_RESULT").message


def test_to_a_model_that_pauses_nothing_is_said(tmp_path: Path) -> None:
    """It is asked again with its own words last, as often as it pauses."""
    pauses = [replace(says(f"Thinking, {number}."), stop="paused") for number in range(5)]
    connector = ScriptedConnector([says("Hm."), *pauses, write("a"), FINISH])
    assert Attempt(tmp_path, connector).run().turns == 8
    for number, conversation in enumerate(connector.conversations[2:7]):
        assert conversation[-1] == Message("assistant", f"Thinking, {number}.")
    assert len(connector.conversations[6]) == len(OPENING) + 2 + 5


def test_a_refusal_fails_and_nothing_of_it_is_carried_out(tmp_path: Path) -> None:
    refused = replace(write("bad"), text="I won't.", stop="refused")
    assert attempt(tmp_path, refused).fails("REFUSED").detail == "I won't."
    assert not (tmp_path / "worktree" / "bad").exists()


def test_a_call_that_fails_again_and_again_is_warned_of_first(tmp_path: Path) -> None:
    fails = says("", ("read_file", {"path": "nothing"}))
    connector = ScriptedConnector([fails] * 6)
    failure = Attempt(tmp_path, connector).fails("STUCK")
    assert failure.message == (
        "The agent goes in circles: `read_file nothing` failed 3 times, the last time with: "
        "There is no 'nothing'; list_dir shows what there is. Word the task more clearly, make it "
        "smaller, or give it to another model. `conductor logs 0/a` shows what it did."
    )
    warned = [each[-1].text for each in connector.conversations if each[-1].role == "user"]
    assert [text[:9] for text in warned[1:]] == ["The same "]
    assert len(connector.conversations) == 6


def test_what_its_provider_wants_back_goes_back_unchanged(tmp_path: Path) -> None:
    raw = [{"type": "thinking", "signature": "abc"}]
    connector = ScriptedConnector([replace(write("a"), raw=raw), FINISH])
    Attempt(tmp_path, connector).run()
    assert connector.conversations[1][2].raw == raw


def test_a_tool_that_has_begun_may_end_before_the_attempt_does(tmp_path: Path) -> None:
    """So that whoever goes on finds a whole turn."""
    begun = tmp_path / "worktree" / "begun"
    command = says("", ("run_command", {"command": "touch begun; sleep 0.5; touch done"}))
    going = {"cancelled": begun.exists, "breaking_off": lambda: False}
    run = attempt(tmp_path, command, FINISH, **going)
    run.fails("CANCELLED")
    assert (tmp_path / "worktree" / "done").exists()
    *_, result, end = run.transcript()
    assert (result["type"], result["ok"], end["type"]) == ("result", True, "end")
