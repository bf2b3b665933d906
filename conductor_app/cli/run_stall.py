"""Notices that a run moves no more, and says so with the reason, as far as anybody can know it."""

import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from conductor_app.cli.follow import Follower, Source
from conductor_app.cli.times import clock
from conductor_app.cli.words import NOTE, WAITING, Sentence, one_line
from conductor_app.domain.states import TaskState
from conductor_app.engine import explain
from conductor_app.engine.advancing import waits_for_a_person
from conductor_app.stack.supervisor_client import ProgramState
from conductor_app.store import phases, tasks
from conductor_app.store.database import Transaction
from conductor_app.views import current

QUIET_MS = 30_000
AGAIN_MS = 180_000
# A line of a log that tells of an error: one that was logged, or the last of a traceback.
ERROR = re.compile(
    r"\d{4}-\d\d-\d\d \S+ (?:ERROR|CRITICAL) \S+ (?P<logged>.+)"
    r"|(?P<raised>[A-Za-z_][\w.]*(?:Error|Exception|Failed|Exit): .+)"
)


class Stall:
    """What is to be said when nothing of an execution changes and nobody works on it.

    `programs` tells how the stack's processes are; it raises OSError when nobody supervises them.
    """

    def __init__(
        self, execution_id: str, programs: Callable[[], Collection[ProgramState]], logs: Path
    ) -> None:
        self._id = execution_id
        self._programs = programs
        self._logs = logs
        self._follower = Follower(self._sources)
        self._since: int | None = None
        self._told: int | None = None
        self._errors: dict[str, str] = {}

    def notice(self, tx: Transaction, *, moving: bool) -> Sentence | None:
        """What to say at this moment, if anything; `moving`: something changed, or is at work."""
        if moving or self._since is None:
            self._since = tx.now
            self._errors.clear()
            self._follower.skip()
            return None
        if tx.now - self._since < QUIET_MS:
            return None
        if self._told is not None and tx.now - self._told < AGAIN_MS:
            return None
        self._told = tx.now
        if waiting := _waits_for_a_person(tx, self._id):
            return Sentence(tx.now, WAITING, waiting)
        why = self._of_programs(self._since) or f"{_held_up(tx, self._id)} {self._of_logs()}"
        return Sentence(tx.now, NOTE, f"Nothing has moved since {clock(self._since)}. {why}")

    def _of_programs(self, since: int) -> str | None:
        try:
            states = self._programs()
        except OSError:
            return "Conductor was stopped; `conductor up` starts it, and this run goes on"
        ended = [each for each in states if each.ended or each.stopped * 1000 > since]
        if not ended:
            return None
        told = ", ".join(f"`{each.name}` (last at {clock(each.stopped * 1000)})" for each in ended)
        verbs = "end and are" if len(ended) > 1 else "ends and is"
        return f"{told} {verbs} started again. {self._of_logs([each.name for each in ended])}"

    def _of_logs(self, of: Sequence[str] = ()) -> str:
        """The last error since nothing moves, of these programs if they told of one."""
        for source, lines in self._follower.added():
            found = [match for match in map(ERROR.fullmatch, lines) if match]
            if found:
                self._errors.pop(source.name, None)
                self._errors[source.name] = one_line(found[-1]["logged"] or found[-1]["raised"])
        names = [*self._errors]
        name = next((name for name in reversed(names) if name in of), names[-1] if names else None)
        if name is None:
            return f"See {self._logs / f'{of[-1]}.log'}" if of else "See `conductor logs`"
        return f"`{name}` says: {self._errors[name].rstrip('.')}. See {self._logs / f'{name}.log'}"

    def _sources(self) -> Sequence[Source]:
        """The log that was written to last comes last; supervisor's own tells nothing of why."""
        files = [file for file in self._logs.glob("*.log") if file.stem != "supervisor"]
        return [Source(file.stem, file) for file in sorted(files, key=_written_at)]


def _waits_for_a_person(tx: Transaction, execution_id: str) -> str | None:
    execution = current.execution(tx, execution_id)
    phase = phases.current(tx, execution_id, execution.current_phase)
    if phase is None or not waits_for_a_person(execution, phase):
        return None
    return (
        f"Phase {phase.number} ({phase.name}) is proven, and a person decides about the next one: "
        f"conductor advance --execution {execution_id}"
    )


def _held_up(tx: Transaction, execution_id: str) -> str:
    """What holds up the first task that is not done."""
    execution = current.execution(tx, execution_id)
    rows = tasks.all_current(tx, execution_id, execution.current_phase)
    task = _first(rows, TaskState.QUEUED) or _first(rows, TaskState.WAITING)
    if task is None:
        return f"The checks of phase {execution.current_phase} wait for a worker."
    return f"{task.key}: {explain.why(tx, execution_id, task.key).sentence}"


def _first(rows: Sequence[Row[Any]], state: TaskState) -> Row[Any] | None:
    return next((row for row in rows if row.status == state), None)


def _written_at(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0  # It is being rotated this moment.
