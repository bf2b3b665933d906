"""Lessons: list them, accept or reject what agents propose."""

from collections.abc import Callable

from flask import Response

from conductor_app.api import meant
from conductor_app.api.access import reading
from conductor_app.api.answers import Answer, answered, paged
from conductor_app.api.mutations import change
from conductor_app.api.resources import resource
from conductor_app.api.schemas.base import OK
from conductor_app.api.schemas.lessons import DecideLesson, LessonPath, LessonsQuery
from conductor_app.engine import lessons as engine
from conductor_app.store.database import Transaction
from conductor_app.views import lessons, lists

api = resource("lessons", "What was learnt, and what agents propose to learn", "/lessons")


@api.get("", responses=OK)
def list_lessons(query: LessonsQuery) -> Response:
    """The lessons, the newest first; those that are `proposed` wait for a person."""
    with reading() as tx:
        page = lists.lessons(
            tx,
            meant.project_id(tx, query.project),
            execution_id=meant.execution_id(tx, query.execution),
            status=query.status,
            phase=query.phase,
            category=query.category,
            agent=query.agent,
            limit=query.limit,
            cursor=query.cursor,
        )
    return paged("Lessons", page)


@api.get("/<lesson_id>", responses=OK)
def read_lesson(path: LessonPath) -> Response:
    """One lesson, with who decided it, when and why."""
    with reading() as tx:
        return answered("Lesson", lessons.one(tx, meant.lesson_id(tx, path.lesson_id)))


@api.post("/<lesson_id>/accept", responses=OK)
def accept_lesson(path: LessonPath, body: DecideLesson) -> Response:
    """Agents are told it from now on."""
    return _decided(engine.accept, "Accepted: agents are told it from now on", path, body)


@api.post("/<lesson_id>/reject", responses=OK)
def reject_lesson(path: LessonPath, body: DecideLesson) -> Response:
    """Agents are not told it, or not any more."""
    return _decided(engine.reject, "Rejected: agents are not told it", path, body)


def _decided(
    decide: Callable[[Transaction, str, str], None],
    message: str,
    path: LessonPath,
    body: DecideLesson,
) -> Response:
    def effect(tx: Transaction) -> Answer:
        id_ = meant.lesson_id(tx, path.lesson_id)
        decide(tx, id_, body.reason)
        return Answer(message, lessons.one(tx, id_))

    return change(effect)
