"""Records a run: from the transcripts of its attempts, and the verdicts of its reviews, to
recordings that replay plays."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Row, select

from conductor_app import masking
from conductor_app.domain.states import PhaseState
from conductor_app.domain.workflow import Workflow
from conductor_app.errors import NotFound
from conductor_app.recordings import REVIEWS, recorded_attempts, recording_file
from conductor_app.store import phases, tables, workflows
from conductor_app.store.database import Transaction
from conductor_app.wholefile import write_whole

TRANSCRIPT = "transcript.jsonl"
FINISH = "finish"
Line = dict[str, Any]


class NothingToRecord(NotFound):
    """The run has nothing that could be replayed."""

    code = "nothing_to_record"


@dataclass(frozen=True)
class Recorded:
    """What was kept, and up to which phase."""

    folder: Path
    last_phase: int
    attempts: int
    reviews: int

    def __str__(self) -> str:
        reviews = f", {self.reviews} reviews" if self.reviews else ""
        phases = f"phases 0 to {self.last_phase}" if self.last_phase else "phase 0"
        return f"{phases}, {self.attempts} attempts{reviews} in {self.folder}"


def record(tx: Transaction, execution: Row[Any], artifacts: Path, root: Path) -> Recorded:
    """Keep the phases that are complete, from the first, in place of what was recorded of their
    tasks before. Secrets are masked. Raises NothingToRecord.
    """
    workflow = workflows.of_version(tx, execution.workflow_version)
    last = _last_complete(tx, execution.id)
    if last is None:
        raise NothingToRecord(
            "Nothing is recorded: not even the first phase is complete, and what is half done "
            "could not be replayed."
        )
    folder = root / workflow.name
    folder.mkdir(parents=True, exist_ok=True)
    attempts = 0
    for task, texts in _tasks(tx, execution, workflow, artifacts, last):
        for number in recorded_attempts(workflow.name, root).get(task, ()):
            recording_file(workflow.name, task, number, root).unlink()
        for number, lines in enumerate(texts, start=1):
            header = _header(workflow.name, task, number, execution.id, lines)
            _write(recording_file(workflow.name, task, number, root), [header, *_said(lines)])
        attempts += len(texts)
    reviews = _reviews(tx, execution.id)
    if reviews:
        _write(folder / REVIEWS, reviews)
    return Recorded(folder, last, attempts, len(reviews))


def _last_complete(tx: Transaction, execution_id: str) -> int | None:
    last = None
    for row in phases.all_current(tx, execution_id):
        if row.status != PhaseState.COMPLETED:
            break
        last = int(row.number)
    return last


def _tasks(
    tx: Transaction, execution: Row[Any], workflow: Workflow, artifacts: Path, last: int
) -> Iterator[tuple[str, list[list[Line]]]]:
    """Each task with the transcripts of its attempts that came to an end of their own.

    An attempt that broke off in the middle can't be replayed, and is no failure there either.
    """
    attempts, tasks = tables.attempts, tables.tasks
    statement = (
        select(attempts.c.id, tasks.c.key)
        .join(tasks, tasks.c.id == attempts.c.task_id)
        .where(
            attempts.c.execution_id == execution.id,
            tasks.c.phase <= last,
            attempts.c.status.in_(("succeeded", "failed")),
        )
        .order_by(attempts.c.started_at, attempts.c.id)
    )
    found: dict[str, list[list[Line]]] = {}
    for row in tx.all(statement):
        lines = _read(artifacts / execution.id / row.id / TRANSCRIPT)
        if _finished(lines):
            found.setdefault(row.key, []).append(lines)
    yield from found.items()


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
    """The turns and what came of their calls; of a turn that was cut off nothing was carried out,
    so replay does without it."""
    cut = False
    for line in lines:
        if line["type"] == "turn":
            cut = line.get("stop") == "cut"
            if not cut:
                yield _turn(line)
        elif line["type"] == "result" and not cut:
            yield {"type": "result", **{name: line[name] for name in ("id", "ok", "exit_code")}}


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
    masked = (masking.within(line, masking.data) for line in lines)
    write_whole(file, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in masked))
