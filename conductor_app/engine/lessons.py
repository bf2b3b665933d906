"""Lessons: a person accepts what agents propose, or rejects what they shall not be told."""

from conductor_app.domain.people import BY
from conductor_app.domain.states import LESSON_COUNTS, LessonState
from conductor_app.errors import NotFound, Refused
from conductor_app.store import executions, lessons
from conductor_app.store.database import Transaction

# Who changes their mind may: nothing but the next prompts hangs on it.
_BEFORE = {
    LessonState.ACCEPTED: frozenset({LessonState.PROPOSED, LessonState.REJECTED}),
    LessonState.REJECTED: LESSON_COUNTS | {LessonState.PROPOSED},
}


def accept(tx: Transaction, lesson_id: str, reason: str = "") -> None:
    """proposed or rejected -> accepted: agents are told. Raises NotFound, Refused."""
    _decide(tx, lesson_id, LessonState.ACCEPTED, reason)


def reject(tx: Transaction, lesson_id: str, reason: str = "") -> None:
    """Agents are not told, or not any more. Raises NotFound, Refused."""
    _decide(tx, lesson_id, LessonState.REJECTED, reason)


def _decide(tx: Transaction, lesson_id: str, after: LessonState, reason: str) -> None:
    found = lessons.get(tx, lesson_id)
    if found is None:
        raise NotFound(f"There is no lesson {lesson_id}; see `conductor lessons --all`.")
    if found.execution_id is not None:
        # In whose stream it is told.
        executions.lock(tx, found.execution_id)
    if lessons.decide(tx, found, _BEFORE[after], after, BY, reason.strip()):
        return
    now = lessons.get(tx, lesson_id)
    assert now is not None
    raise Refused(_why_not(now.status, now.reason))


def _why_not(status: str, reason: str | None) -> str:
    if status == LessonState.RECORDED:
        return "Conductor learnt this lesson itself, and agents are told already."
    return f"It is {status} already{f': {reason}' if reason else '.'}"
