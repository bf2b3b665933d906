"""What agents leave while they work: lessons they propose, signals of what may need action."""

from dataclasses import dataclass

from sqlalchemy import insert, select

from conductor_app.domain.signals import SignalType
from conductor_app.domain.states import JobState
from conductor_app.ids import new_id
from conductor_app.store import executions, jobs, records, tasks
from conductor_app.store.database import Transaction
from conductor_app.store.tables import lessons, signals

PROPOSED = "proposed"


@dataclass(frozen=True)
class Source:
    """The attempt that says it; it is believed only while it holds the fence of its job."""

    execution_id: str
    job_id: str
    fence: int
    task_id: str
    attempt_id: str


def remember(tx: Transaction, source: Source, category: str, lesson: str, action: str) -> bool:
    """Propose a lesson, once for an execution; False when the job is somebody else's now."""
    if not _held(tx, source):
        return False
    same = (lessons.c.execution_id == source.execution_id, lessons.c.description == lesson)
    if tx.first(select(lessons.c.id).where(*same)) is None:
        task = tasks.get(tx, source.task_id)
        assert task is not None
        records.add_lesson(
            tx,
            source.execution_id,
            category,
            lesson,
            phase=task.phase,
            agent=task.agent,
            action_taken=action,
            status=PROPOSED,
        )
    return True


def signal(tx: Transaction, source: Source, type_: SignalType, title: str, detail: str) -> bool:
    """Tell of it, once for a task; False when the job is somebody else's now."""
    if not _held(tx, source):
        return False
    same = (
        signals.c.task_id == source.task_id,
        signals.c.type == type_,
        signals.c.title == title,
    )
    if tx.first(select(signals.c.id).where(*same)) is None:
        _add_signal(tx, source, type_, title, detail)
    return True


def _held(tx: Transaction, source: Source) -> bool:
    """Also locks the execution, in whose stream it is told."""
    executions.lock(tx, source.execution_id)
    job = jobs.get(tx, source.job_id)
    return job is not None and job.status == JobState.ACTIVE and bool(job.fence == source.fence)


def _add_signal(
    tx: Transaction, source: Source, type_: SignalType, title: str, detail: str
) -> None:
    execution = executions.lock(tx, source.execution_id)
    task = tasks.get(tx, source.task_id)
    assert execution is not None and task is not None
    id_ = new_id()
    row = {
        "id": id_,
        "project_id": execution.project_id,
        "execution_id": execution.id,
        "task_id": task.id,
        "attempt_id": source.attempt_id,
        "type": type_,
        "title": title,
        "detail": detail,
        "created_at": tx.now,
    }
    tx.run(insert(signals), row)
    tx.events.record(
        execution.id, "signal.reported", signal=id_, kind=str(type_), title=title, task=task.key
    )
