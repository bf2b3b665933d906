"""The seven kinds of check that a template can declare, as data; workers perform them."""

import re
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    model_validator,
)

from conductor_app.domain.spelling import closest

JSON_TYPES = ("string", "integer", "number", "boolean", "array", "object", "null")
EXPECTATIONS = ("type", "matches", "min_length", "equals", "exists")


class Model(BaseModel):
    """What every part of a template is: closed to unknown fields and frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True)


def _as_text(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"`{pattern}` is not a regular expression: {error}") from error
    return pattern


def _stays_inside(path: str) -> str:
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ValueError(f"`{path}` leaves the project; paths are relative to its root")
    return path


def _understood(expected: JsonValue) -> JsonValue:
    """An expectation is a plain value, or a mapping of the words in EXPECTATIONS."""
    if not isinstance(expected, dict):
        return expected
    if not expected:
        raise ValueError(f"an expectation in a mapping names one of {', '.join(EXPECTATIONS)}")
    for word in expected:
        if word not in EXPECTATIONS:
            near = closest(word, EXPECTATIONS)
            meant = f"did you mean `{near}`? " if near else ""
            raise ValueError(
                f"`{word}` is not an expectation; {meant}An object is compared with `equals`"
            )
    if "type" in expected and expected["type"] not in JSON_TYPES:
        raise ValueError(f"`type` is one of {', '.join(JSON_TYPES)}")
    if "matches" in expected:
        _compiles(str(expected["matches"]))
    return expected


Text = Annotated[str, StringConstraints(min_length=1)]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)]
Environment = dict[str, Annotated[str, BeforeValidator(_as_text)]]
Regex = Annotated[str, AfterValidator(_compiles)]
ProjectPath = Annotated[Text, AfterValidator(_stays_inside)]
Command = Text | tuple[Text, ...]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Expectation = Annotated[JsonValue, AfterValidator(_understood)]
Status = Annotated[int, Field(ge=100, le=599)]


class BaseCheck(Model):
    """What all checks have.

    `requires` names programs, `task` the task to reopen on failure, `when` an input without which
    there is no such check.
    """

    name: Text
    optional: bool = False
    requires: tuple[Text, ...] = ()
    service: str | None = None
    task: str | None = None
    when: str | None = None
    timeout: Seconds = 60


class CommandCheck(BaseCheck):
    """A command that ends with this exit code and whose output holds these words."""

    kind: Literal["command"] = "command"
    run: Command
    exit_code: int = 0
    output_contains: tuple[str, ...] = ()
    env: Environment = Field(default_factory=dict)


class FileCheck(BaseCheck):
    """A file (or every file that a glob finds) that is there, or is not."""

    kind: Literal["file"] = "file"
    path: ProjectPath
    contains: tuple[Regex, ...] = ()
    absent: bool = False
    min_bytes: Annotated[int, Field(ge=0)] = 0


class HttpRequest(Model):
    """One request to the service; `${name}` in path and json is a value that an earlier one saved.

    `json_body` is `json` in YAML; it is sent when it is in `model_fields_set`. The keys of `expect`
    and the values of `save` are dotted paths into the JSON answer.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] = "GET"
    path: Annotated[str, StringConstraints(pattern=r"^(/|https?://)")]
    json_body: JsonValue = Field(default=None, alias="json")
    headers: dict[str, str] = Field(default_factory=dict)
    status: Status | tuple[Status, ...] = 200
    body_contains: tuple[str, ...] = ()
    expect: dict[str, Expectation] = Field(default_factory=dict)
    save: dict[str, str] = Field(default_factory=dict)


class HttpCheck(BaseCheck):
    """Requests made one after the other to a service."""

    kind: Literal["http"] = "http"
    requests: Annotated[tuple[HttpRequest, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _someone_answers(self) -> Self:
        if self.service is None and any(r.path.startswith("/") for r in self.requests):
            raise ValueError("an http check needs `service`: the name of what answers")
        return self


class SqlExpectation(Model):
    """What the rows must be; `value` is the first column of the only row (null counts if given)."""

    rows: Annotated[int, Field(ge=0)] | None = None
    min_rows: Annotated[int, Field(ge=0)] | None = None
    value: JsonValue = None
    values: tuple[JsonValue, ...] | None = None


class SqlCheck(BaseCheck):
    """A query on a SQLite file of the checkout, or on a URL such as `${env.DATABASE_URL}`."""

    kind: Literal["sql"] = "sql"
    database: Text | None = None
    prepare: Command | None = None
    query: Text
    expect: SqlExpectation = SqlExpectation(min_rows=1)


class PythonCheck(BaseCheck):
    """A registered function, or `path/in/project.py:function`."""

    kind: Literal["python"] = "python"
    function: Text
    arguments: dict[str, JsonValue] = Field(default_factory=dict)


class LoadCheck(BaseCheck):
    """Concurrent users of a service, with a bound on the 95th percentile of latency."""

    kind: Literal["load"] = "load"
    path: Annotated[str, StringConstraints(pattern=r"^/")]
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] = "GET"
    json_body: JsonValue = Field(default=None, alias="json")
    users: Annotated[int, Field(ge=1, le=1000)] = 20
    requests_per_user: Annotated[int, Field(ge=1, le=10_000)] = 5
    max_p95_ms: Annotated[float, Field(gt=0)] = 500
    max_errors: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _someone_answers(self) -> Self:
        if self.service is None:
            raise ValueError("a load check needs `service`: the name of what answers")
        return self


class RubricCheck(BaseCheck):
    """Criteria by which an agent reviews what was changed; its connector must be a model's."""

    kind: Literal["rubric"] = "rubric"
    agent: Slug = "validator"
    criteria: Annotated[tuple[Text, ...], Field(min_length=1)]
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.8


Check = Annotated[
    CommandCheck | FileCheck | HttpCheck | SqlCheck | PythonCheck | LoadCheck | RubricCheck,
    Field(discriminator="kind"),
]
