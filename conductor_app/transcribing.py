"""Records a run: from the transcripts of its attempts, and the verdicts of its reviews, to
recordings that replay plays."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Row, select

from conductor_app import masking
from conductor_app.catalog import AGENTS
from conductor_app.domain.states import PhaseState, TaskState
from conductor_app.domain.workflow import Workflow
from conductor_app.errors import NotFound
from conductor_app.recordable import done_late, ended_attempts, to_play
from conductor_app.recordings import REVIEWS, recorded_attempts, recording_file
from conductor_app.store import phases, tables, tasks, workflows
from conductor_app.store.database import Transaction
from conductor_app.wholefile import write_whole

TRANSCRIPT = "transcript.jsonl"
# Of an attempt by a program: turns that do what it did, or one line that says why there are none.
EFFECT = "effect.jsonl"
UNRECORDABLE = "unrecordable"
FINISH, ASK = "finish", "ask"
NOTHING_KEPT = "nothing was kept of it"
DONE_LATE = (
    "a person had it done again, later than a replay does it, which might come to another result"
)
NO_NEED = "Its agents are Python functions, which need no recording."
Line = dict[str, Any]


class NothingToRecord(NotFound):
    """The run has nothing that could be replayed."""

    code = "nothing_to_record"


@dataclass(frozen=True)
class Recorded:
    """What was kept, up to which phase; of what was left out, a sentence each."""

    folder: Path
    last_phase: int
    attempts: int
    reviews: int
    left_out: tuple[str, ...] = ()

    def __str__(self) -> str:
        attempts = f"{self.attempts} attempt{'s' * (self.attempts != 1)}"
        reviews = f", {self.reviews} review{'s' * (self.reviews != 1)}" if self.reviews else ""
        phases = f"phases 0 to {self.last_phase}" if self.last_phase else "phase 0"
        said = f"{phases}, {attempts}{reviews} in {self.folder}"
        return "\n          ".join((said, *(f"Left out: {each}" for each in self.left_out)))


def record(tx: Transaction, execution: Row[Any], artifacts: Path, root: Path) -> Recorded:
    """Keep the phases that are complete, from the first, in place of what was recorded of them
    before. Secrets are masked. Raises NothingToRecord, and then nothing is changed.
    """
    workflow = workflows.of_version(tx, execution.workflow_version)
    complete = _last_complete(tx, execution.id)
    if complete is None:
        raise NothingToRecord(
            "Nothing is recorded: not even the first phase is complete, and what is half done "
            "could not be replayed."
        )
    told = _told(tx, execution, workflow, artifacts, complete)
    reviews = _reviews(tx, execution.id)
    last = _last_whole(workflow, told, complete)
    kept = {task: each.texts for task, each in told.items() if _phase_of(task) <= (last or 0)}
    left_out = tuple(reason for each in told.values() for reason in each.left_out)
    attempts = sum(map(len, kept.values()))
    if last is None or not (attempts or reviews):
        raise NothingToRecord(" ".join(("Nothing is recorded.", *(left_out or (NO_NEED,)))))
    _replace(workflow.name, execution.id, kept, root)
    if reviews:
        _write(root / workflow.name / REVIEWS, reviews)
    return Recorded(root / workflow.name, last, attempts, len(reviews), left_out)


def _last_complete(tx: Transaction, execution_id: str) -> int | None:
    last = None
    for row in phases.all_current(tx, execution_id):
        if row.status != PhaseState.COMPLETED:
            break
        last = int(row.number)
    return last


@dataclass
class _Task:
    """What attempts at a task said, each in lines; `whole` is false where replay can't do it."""

    texts: list[list[Line]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    whole: bool = True


def _told(
    tx: Transaction, execution: Row[Any], workflow: Workflow, artifacts: Path, last: int
) -> dict[str, _Task]:
    """Each task up to the phase whose agent needs a recording."""
    agents = workflow.all_agents(AGENTS)
    rows = [
        row
        for row in tasks.all_current(tx, execution.id)
        if row.phase <= last and not agents[row.agent].function
    ]
    found = {row.key: _Task() for row in rows}
    ended = ended_attempts(tx, execution.id)
    for row in to_play(ended):
        if row.key in found:
            _add(found[row.key], row, artifacts / execution.id / row.id)
    late = done_late(tx, execution.id, ended)
    for row in rows:
        task = found[row.key]
        if row.status == TaskState.SKIPPED:
            task.whole = False
            task.left_out.append(f"{row.key}: a person skipped it, which no replay does.")
        elif row.key in late:
            task.whole = False
            task.left_out.append(f"{row.key}: {DONE_LATE}.")
        elif not task.texts and task.whole:
            task.whole = False
            task.left_out.append(f"{row.key}: {NOTHING_KEPT}.")
    return found


def _add(task: _Task, attempt: Row[Any], folder: Path) -> None:
    """An attempt that broke off can't be replayed, and is no failure there either; without one
    whose work was taken the task can't be replayed."""
    lines = _read(folder / TRANSCRIPT) or _read(folder / EFFECT)
    if _finished(lines):
        task.texts.append(lines)
        return
    taken = attempt.status == "succeeded"
    reason = next((each["reason"] for each in lines if each["type"] == UNRECORDABLE), None)
    if taken or reason:
        why = reason or NOTHING_KEPT
        task.left_out.append(f"{attempt.key}, attempt {attempt.number}: {why}.")
    if taken:
        task.whole = False


def _last_whole(workflow: Workflow, told: Mapping[str, _Task], complete: int) -> int | None:
    """The last phase up to which every task can be replayed; None when not even the first."""
    broken = {_phase_of(task) for task, each in told.items() if not each.whole}
    last = None
    for phase in workflow.phases:
        if phase.number > complete or phase.number in broken:
            break
        last = phase.number
    return last


def _replace(
    workflow: str, execution_id: str, kept: Mapping[str, list[list[Line]]], root: Path
) -> None:
    before = recorded_attempts(workflow, root)
    for task, texts in kept.items():
        for number, lines in enumerate(texts, start=1):
            header = _header(workflow, task, number, execution_id, lines)
            _write(recording_file(workflow, task, number, root), [header, *_said(lines)])
        for number in before.get(task, ()):
            if number > len(texts):
                recording_file(workflow, task, number, root).unlink()


def _phase_of(task: str) -> int:
    return int(task.partition("/")[0])


def _read(file: Path) -> list[Line]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    return [json.loads(line) for line in text.split("\n")[:-1]]


def _finished(lines: Sequence[Line]) -> bool:
    turns = [line for line in lines if line["type"] == "turn"]
    return bool(turns) and any(call["name"] == FINISH for call in turns[-1]["tool_calls"])


def _header(
    workflow: str, task: str, number: int, execution_id: str, lines: Sequence[Line]
) -> Line:
    models = sorted({line["model"] for line in lines if line["type"] == "turn"})
    return {
        "type": "recording",
        "format": 1,
        "workflow": workflow,
        "task": task,
        "attempt": number,
        "author": ", ".join(models),
        "note": f"recorded from execution {execution_id}",
    }


def _said(lines: Sequence[Line]) -> Iterator[Line]:
    """The turns and what came of their calls; of a turn that was cut off or only paused nothing was
    carried out, so replay does without it."""
    left_out = False
    questions: set[str] = set()
    for line in lines:
        if line["type"] == "turn":
            left_out = line.get("stop") in ("cut", "paused")
            questions |= {call["id"] for call in line["tool_calls"] if call["name"] == ASK}
            if not left_out:
                yield _turn(line)
        elif line["type"] == "result" and not left_out:
            said = {name: line[name] for name in ("id", "ok", "exit_code")}
            if line["id"] in questions and line["ok"]:
                said["answer"] = line["output"]
            yield {"type": "result", **said}


def _turn(line: Line) -> Line:
    counted = ("input_tokens", "output_tokens", "cache_read_tokens")
    return {
        "type": "turn",
        "text": line["text"],
        "tool_calls": line["tool_calls"],
        "usage": {name: line["usage"][name] for name in counted},
        "model": line["model"],
    }


def _reviews(tx: Transaction, execution_id: str) -> list[Line]:
    """The verdicts that were given, each with the tree that it was given on."""
    table = tables.check_results
    statement = select(table).where(
        table.c.execution_id == execution_id,
        table.c.kind == "rubric",
        table.c.verdict.in_(("passed", "failed")),
    )
    kept = ("tree", "model", "criteria", "notes")
    return [
        {"type": "review", "check": row.name, **{name: row.evidence[name] for name in kept}}
        for row in tx.all(statement.order_by(table.c.id))
        if all(name in row.evidence for name in kept)
    ]


def _write(file: Path, lines: Sequence[Line] | Iterator[Line]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    masked = (masking.within(line, masking.data) for line in lines)
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in masked)
    # Models say halves of surrogate pairs, which no file has.
    write_whole(file, text.encode(errors="replace").decode())
