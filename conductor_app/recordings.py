"""Recordings of agents' turns: where they lie, how they are read, what is wrong with a broken one.

A recording is a JSON Lines file `<workflow>/<phase>-<task>.<attempt>.jsonl`: a header, then turns,
each followed by one result for each of its calls (`finish` may go without). A result says what the
real tool must answer: `ok` (a command is ok when it exits with 0), and if it matters `exit_code`
and `contains`, a list of texts that the output holds.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from conductor_app.domain.workflow import AgentSpec, Workflow
from conductor_app.recording_lines import (
    CorruptRecording,
    Header,
    Line,
    ResultLine,
    ReviewLine,
    TurnLine,
    read_lines,
)
from conductor_app.settings import Settings

BUILT_IN = Path(__file__).parent / "workflows" / "recordings"
# The verdicts of reviews, each on a tree, of all tasks of a workflow.
REVIEWS = "reviews.jsonl"
_FILE_NAME = re.compile(r"(?P<phase>\d+)-(?P<task>.+)\.(?P<attempt>[1-9]\d*)\.jsonl")


def roots_of(settings: Settings) -> tuple[Path, ...]:
    """Where recordings lie: in the directory that the settings name and nowhere else, or in what
    `run --record` has recorded here and, for what is missing there, among those that come with
    Conductor."""
    if settings.recordings is not None:
        return (settings.recordings,)
    return settings.places.recordings, BUILT_IN


def root_of(workflow: str, phase: int, settings: Settings) -> Path:
    """Which of them holds the phase: the first one that lacks none of its tasks."""
    found = {root: _of_phase(workflow, phase, root) for root in roots_of(settings)}
    known: set[str] = set().union(*found.values())
    return next((root for root, tasks in found.items() if tasks == known), next(iter(found)))


def recorded_here(workflow: str, settings: Settings) -> set[str]:
    """The keys of the tasks that can be replayed, each phase from where it lies."""
    anywhere = set().union(*(recorded_tasks(workflow, root) for root in roots_of(settings)))
    phases = {_phase_of(task) for task in anywhere}
    here = (_of_phase(workflow, phase, root_of(workflow, phase, settings)) for phase in phases)
    return set().union(*here)


def _of_phase(workflow: str, phase: int, root: Path) -> set[str]:
    return {task for task in recorded_tasks(workflow, root) if _phase_of(task) == phase}


def _phase_of(task: str) -> int:
    return int(task.partition("/")[0])


@dataclass(frozen=True)
class RecordedTurn:
    """A turn, the line it stands on, and what is expected of its calls, by call id."""

    line: int
    said: TurnLine
    expected: dict[str, ResultLine] = field(default_factory=dict)


@dataclass(frozen=True)
class Recording:
    """One attempt at one task, as it was recorded."""

    file: Path
    header: Header
    turns: tuple[RecordedTurn, ...]


def recording_file(workflow: str, task: str, attempt: int, root: Path = BUILT_IN) -> Path:
    """Where the recording of `<phase>/<task>` lies; attempt is reported failures + 1."""
    phase, _, key = task.partition("/")
    return root / workflow / f"{phase}-{key}.{attempt}.jsonl"


def recorded_attempts(workflow: str, root: Path = BUILT_IN) -> dict[str, tuple[int, ...]]:
    """The recorded attempts of each task of the workflow, by task key; files are not opened."""
    found: dict[str, list[int]] = {}
    folder = root / workflow
    for file in folder.iterdir() if folder.is_dir() else ():
        if match := _FILE_NAME.fullmatch(file.name):
            found.setdefault(f"{match['phase']}/{match['task']}", []).append(int(match["attempt"]))
    return {task: tuple(sorted(numbers)) for task, numbers in sorted(found.items())}


def recorded_tasks(workflow: str, root: Path = BUILT_IN) -> set[str]:
    """The keys of the tasks whose first attempt is recorded, such as `0/base-types`."""
    return {task for task, numbers in recorded_attempts(workflow, root).items() if 1 in numbers}


def last_recorded_phase(
    workflow: Workflow, known_agents: Mapping[str, AgentSpec], recorded: Collection[str]
) -> int | None:
    """The last phase that replay can reach with these tasks, None when not even the first.

    Tasks of agents that are Python functions need no recording.
    """
    agents = workflow.all_agents(known_agents)
    last = None
    for phase in workflow.phases:
        for task in phase.tasks:
            if f"{phase.number}/{task.key}" not in recorded and not agents[task.agent].function:
                return last
        last = phase.number
    return last


def read_recording(file: Path) -> Recording:
    """The recording in the file; raises CorruptRecording with the line, FileNotFoundError."""
    entries = list(read_lines(file))
    if not entries:
        raise CorruptRecording(file, 1, "the file is empty")
    line, header = entries[0]
    if not isinstance(header, Header):
        raise CorruptRecording(file, line, "the first line must be the header, of type recording")
    _check_place(file, header)
    turns = _turns(file, entries[1:])
    if not turns or all(call.name != "finish" for call in turns[-1].said.tool_calls):
        raise CorruptRecording(
            file, entries[-1][0], "the last turn does not call finish, so the end is missing"
        )
    return Recording(file, header, turns)


def recorded_review(
    workflow: str, check: str, tree: str, root: Path = BUILT_IN
) -> ReviewLine | None:
    """The last verdict on this tree; raises CorruptRecording."""
    file = root / workflow / REVIEWS
    if not file.is_file():
        return None
    found = None
    for number, line in read_lines(file):
        if not isinstance(line, ReviewLine):
            raise CorruptRecording(file, number, "a line of type review is expected here")
        if (line.check, line.tree) == (check, tree):
            found = line
    return found


def _check_place(file: Path, header: Header) -> None:
    told = recording_file(header.workflow, header.task, header.attempt, file.parent.parent)
    if told != file:
        raise CorruptRecording(
            file, 1, f"by its header the file should be {told.parent.name}/{told.name}"
        )


def _turns(file: Path, entries: list[tuple[int, Line]]) -> tuple[RecordedTurn, ...]:
    turns: list[RecordedTurn] = []
    for line, entry in entries:
        if isinstance(entry, TurnLine):
            turns.append(RecordedTurn(line, entry))
        elif isinstance(entry, ResultLine) and turns:
            _add_result(file, line, turns[-1], entry)
        else:
            raise CorruptRecording(file, line, "a turn is expected here")
    for turn in turns:
        _check_complete(file, turn)
    return tuple(turns)


def _add_result(file: Path, line: int, turn: RecordedTurn, result: ResultLine) -> None:
    if result.id in turn.expected:
        raise CorruptRecording(file, line, f"call {result.id} has a second result")
    if result.id not in {call.id for call in turn.said.tool_calls}:
        raise CorruptRecording(file, line, f"the turn before has no call {result.id}")
    turn.expected[result.id] = result


def _check_complete(file: Path, turn: RecordedTurn) -> None:
    calls = {call.id: call for call in turn.said.tool_calls}
    if len(calls) != len(turn.said.tool_calls):
        raise CorruptRecording(file, turn.line, "two calls of the turn have the same id")
    for call in calls.values():
        if call.id not in turn.expected and call.name != "finish":
            raise CorruptRecording(file, turn.line, f"the result of call {call.id} is missing")
