"""What agents leave while they work: lessons they propose, signals of what may need action."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, and_, or_, select

from conductor_app.domain.signals import SignalType
from conductor_app.domain.states import JobState, LessonState
from conductor_app.store import executions, jobs, records, signals, tasks
from conductor_app.store.database import Transaction
from conductor_app.store.tables import lessons


@dataclass(frozen=True)
class Source:
    """The attempt that says it; it is believed only while it holds the fence of its job."""

    execution_id: str
    job_id: str
    fence: int
    task_id: str
    attempt_id: str


def remember(tx: Transaction, source: Source, category: str, lesson: str, action: str) -> bool:
    """Propose a lesson, once for an execution, and not where its project has the same already.

    What a person has rejected may be proposed again.

    False when the job is somebody else's now.
    """
    if not _held(tx, source):
        return False
    task = tasks.get(tx, source.task_id)
    assert task is not None
    if not _proposed(tx, task, category, lesson, action):
        records.add_lesson(
            tx,
            source.execution_id,
            category,
            lesson,
            phase=task.phase,
            agent=task.agent,
            action_taken=action,
            status=LessonState.PROPOSED,
        )
    return True


def _proposed(tx: Transaction, task: Row[Any], category: str, lesson: str, action: str) -> bool:
    """Whether the execution has it already, or the same agents are told it or may be."""
    standing = and_(
        lessons.c.project_id == tx.locked[task.execution_id].project_id,
        lessons.c.status.in_((LessonState.PROPOSED, LessonState.ACCEPTED)),
        lessons.c.category == category,
        lessons.c.action_taken == action,
        lessons.c.agent == task.agent,
        lessons.c.phase == task.phase,
    )
    here = lessons.c.execution_id == task.execution_id
    same = select(lessons.c.id).where(lessons.c.description == lesson, or_(here, standing))
    return tx.first(same) is not None


def signal(tx: Transaction, source: Source, type_: SignalType, title: str, detail: str) -> bool:
    """Tell of it, once for a task; False when the job is somebody else's now."""
    if not _held(tx, source):
        return False
    if signals.told(tx, source.task_id, type_, title):
        return True
    execution = executions.lock(tx, source.execution_id)
    task = tasks.get(tx, source.task_id)
    assert execution is not None and task is not None
    signals.add(tx, execution.project_id, task, source.attempt_id, type_, title, detail)
    return True


def _held(tx: Transaction, source: Source) -> bool:
    """Also locks the execution, in whose stream it is told."""
    executions.lock(tx, source.execution_id)
    job = jobs.get(tx, source.job_id)
    return job is not None and job.status == JobState.ACTIVE and bool(job.fence == source.fence)
