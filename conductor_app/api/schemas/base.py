"""What all schemas share: no unknown fields, both spellings of names, plain text, pages."""

from http import HTTPStatus
from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, AliasGenerator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


def _either_spelling(name: str) -> AliasChoices:
    """The canonical API is snake_case; document 000 writes camelCase, which is taken too."""
    return AliasChoices(name, to_camel(name))


def _that_can_be_kept(text: str) -> str:
    # PostgreSQL keeps no NUL, nothing keeps halves of characters, and no path or name has either.
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("text must not hold the character NUL or half a surrogate pair")
    return text


Text = Annotated[str, AfterValidator(_that_can_be_kept)]
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


# What flask-openapi takes as the responses of an operation. They are told once, by reference:
# making a schema of each model for each operation would take half of the server's start.
Responses = dict[str | int | HTTPStatus, Any]


def described(description: str, model: type[BaseModel]) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


OK: Responses = {200: described("Done", Success)}
CREATED: Responses = {201: described("Made", Success)}
ACCEPTED: Responses = {202: described("A worker does it; `data.job_id` is the job", Success)}
FAILURES: Responses = {
    400: described("The body is not JSON", Failure),
    401: described("The bearer token is missing or wrong", Failure),
    404: described("There is no such thing", Failure),
    409: described("The state of things does not allow this now", Failure),
    422: described("The request is not valid", Failure),
    503: described("The database does not answer", Failure),
}
