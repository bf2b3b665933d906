"""Lessons and signals: what may be sent."""

from typing import Annotated

from pydantic import Field

from conductor_app.api.schemas.base import Id, Line, PageQuery, Query, Strict, Text
from conductor_app.domain.signals import SignalType
from conductor_app.domain.states import LessonState

_PROJECT = Field(None, description="Id, name, path or URL; unset: all")


class LessonPath(Query):
    lesson_id: Id


class LessonsQuery(PageQuery):
    project: Line | None = _PROJECT
    execution: Id | None = None
    status: LessonState | None = Field(None, description="`recorded` ones are Conductor's own")
    phase: int | None = Field(None, ge=0)
    category: Line | None = None
    agent: Line | None = None


class DecideLesson(Strict):
    reason: Annotated[Text, Field(max_length=2_000)] = Field("", description="Kept with it")


class SignalsQuery(PageQuery):
    project: Line | None = _PROJECT
    execution: Id | None = None
    task: Line | None = Field(None, description="Its key, such as 0/base-types")
    type: SignalType | None = None
