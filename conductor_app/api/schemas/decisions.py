"""Decisions: what may be sent."""

from typing import Annotated, Literal

from pydantic import Field

from conductor_app.api.schemas.base import Id, Line, PageQuery, Query, Strict, Text


class DecisionPath(Query):
    decision_id: Id


class DecisionsQuery(PageQuery):
    project: Line | None = Field(None, description="Id, name, path or URL; unset: all")
    execution: Id | None = None
    task: Line | None = Field(None, description="Its key, such as 0/base-types")
    status: Literal["pending", "answered", "withdrawn"] | None = None


class AnswerDecision(Strict):
    answer: Annotated[Text, Field(max_length=10_000)] = Field(
        description="One of its options, where it has some; else free words"
    )
