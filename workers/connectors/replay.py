"""The replay connector: a recorded attempt's turns, played against the real tools."""

from collections.abc import Sequence
from pathlib import Path

from conductor_app.connector_settings import MAX_TURNS
from conductor_app.recording_lines import CorruptRecording, ResultLine
from conductor_app.recordings import (
    Recording,
    read_recording,
    recorded_attempts,
    recording_file,
)
from conductor_app.tool_specs import ToolSpec
from workers.connectors.assignment import Assignment
from workers.connectors.model import ModelConnector
from workers.failures import AttemptFailed, FailureKind
from workers.loop import LoopLimits
from workers.turns import Message, ToolCall, ToolResult, Turn, Usage


class ReplayConnector(ModelConnector):
    """Plays one recording; every real result must look as the recording expects."""

    name = "replay"
    live = False

    def __init__(self, recording: Recording) -> None:
        super().__init__()
        self._recording = recording
        # What was recorded may have had more turns than are usual.
        self.loop_limits = LoopLimits(turns=max(MAX_TURNS, len(recording.turns)))
        self._played = 0

    def turn(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Turn:
        recording = self._recording
        if self._played == 0 and self.log is not None:
            self.log(f"replay of {recording.file.name}, written by {recording.header.author}")
        if self._played == len(recording.turns):
            raise _misfit(recording, f"it ends after turn {self._played}, the work does not")
        said = recording.turns[self._played].said
        self._played += 1
        return Turn(
            text=said.text,
            tool_calls=tuple(
                ToolCall(call.id, call.name, call.arguments) for call in said.tool_calls
            ),
            usage=Usage(**said.usage.model_dump()),
            model=said.model,
        )

    def resume(self, turns: int) -> None:
        self._played = turns

    def recorded_answer(self, call_id: str) -> str | None:
        expected = self._recording.turns[self._played - 1].expected.get(call_id)
        return expected.answer if expected else None

    def observe(self, results: Sequence[ToolResult]) -> None:
        """Raises AttemptFailed when a result is not what the recording expects."""
        turn = self._recording.turns[self._played - 1]
        for call, result in zip(turn.said.tool_calls, results, strict=True):
            expected = turn.expected.get(call.id, ResultLine(type="result", id=call.id, ok=True))
            if difference := _difference(expected, result):
                where = f"line {turn.line}, turn {self._played}, call {call.id} of {call.name}"
                raise _misfit(self._recording, f"{where}: {difference}", detail=result.text)


def open_replay(assignment: Assignment) -> ReplayConnector:
    """A connector for the attempt after that many reported failures; raises AttemptFailed."""
    workflow, task, recordings = assignment.workflow, assignment.task, assignment.recordings
    attempt = assignment.failures + 1
    file = recording_file(workflow, task, attempt, recordings)
    try:
        return ReplayConnector(read_recording(file))
    except FileNotFoundError:
        raise _missing(workflow, task, attempt, recordings) from None
    except CorruptRecording as error:
        raise AttemptFailed(FailureKind.RECORDING_MISMATCH, error.message) from error


def _missing(workflow: str, task: str, attempt: int, recordings: Path) -> AttemptFailed:
    others = recorded_attempts(workflow, recordings).get(task, ())
    if others:
        have = ", ".join(map(str, others))
        reason = f"only attempt {have} of it is, and another attempt's turns are never reused"
    else:
        reason = "no attempt of it is"
    return AttemptFailed(
        FailureKind.RECORDING_MISSING,
        f"Attempt {attempt} at {task} of {workflow} is not recorded ({reason}). "
        "Give its agent a connector with a model, or add the recording "
        f"{recording_file(workflow, task, attempt, recordings)}.",
    )


def _misfit(recording: Recording, problem: str, detail: str = "") -> AttemptFailed:
    return AttemptFailed(
        FailureKind.RECORDING_MISMATCH,
        f"The recording {recording.file.name} no longer fits: {problem}. "
        "Record this attempt again, or bring back what has changed since.",
        detail=detail,
    )


def _difference(expected: ResultLine, result: ToolResult) -> str | None:
    """What is not as expected, in words; None when all is."""
    if expected.exit_code is not None and result.exit_code != expected.exit_code:
        return f"expected exit code {expected.exit_code}, got {result.exit_code}"
    if result.ok != expected.ok:
        words = {True: "success", False: "a fault"}
        return f"expected {words[expected.ok]}, got {words[result.ok]}"
    for text in expected.contains:
        if text not in result.text:
            return f"expected {text!r} in the output, which is not there"
    return None
