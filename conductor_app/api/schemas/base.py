"""What all schemas share: no unknown fields, both spellings of names, plain text, pages."""

from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, AliasGenerator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


def _either_spelling(name: str) -> AliasChoices:
    """The canonical API is snake_case; document 000 writes camelCase, which is taken too."""
    return AliasChoices(name, to_camel(name))


def _without_nul(text: str) -> str:
    # PostgreSQL keeps no such text, and no path or name has one.
    if "\0" in text:
        raise ValueError("text must not hold the character NUL")
    return text


Text = Annotated[str, AfterValidator(_without_nul)]
Line = Annotated[Text, Field(min_length=1, max_length=500)]
Id = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$", description="A ULID")]


class Strict(BaseModel):
    """Refuses what it does not know."""

    model_config = ConfigDict(
        extra="forbid",
        populate_by_name=True,
        alias_generator=AliasGenerator(validation_alias=_either_spelling),
    )


class Query(BaseModel):
    """Parameters of an address; spelled one way only."""

    model_config = ConfigDict(extra="forbid")


class PageQuery(Query):
    limit: int = Field(50, ge=1, le=200, description="How many at most")
    cursor: Text | None = Field(None, description="The `next_cursor` of the page before")


class Nothing(Strict):
    """A body without fields, or none."""


class Success(BaseModel):
    """The shape of every success."""

    success: bool = True
    message: str
    data: Any = Field(None, description="What was asked for; a list is {items, next_cursor}")


class Error(BaseModel):
    code: str = Field(description="Stable; the message may change")
    message: str = Field(description="What happened, why, and what to do next")
    details: dict[str, Any]
    request_id: str


class Failure(BaseModel):
    """The shape of every failure."""

    success: bool = False
    error: Error


OK = {200: Success}
CREATED = {201: Success}
ACCEPTED = {202: Success}
FAILURES: dict[int | str, Any] = dict.fromkeys((400, 401, 404, 409, 422, 503), Failure)
