"""The lines of a recording: what each may hold, and what is wrong with one that can't be read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from conductor_app.errors import InvalidInput


class CorruptRecording(InvalidInput):
    """A recording can't be read."""

    code = "corrupt_recording"

    def __init__(self, file: Path, line: int, problem: str) -> None:
        super().__init__(
            f"{file}, line {line}: {problem}. Put the file back as it was, correct the line, or "
            "take the file away; its task then counts as not recorded.",
            file=str(file),
            line=line,
        )


class _Line(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Header(_Line):
    """The first line: what was recorded, and by whom."""

    type: Literal["recording"]
    format: Literal[1]
    workflow: str
    task: str
    attempt: int
    author: str = ""
    note: str = ""


class Call(_Line):
    """A tool call; its arguments may be anything, also wrong on purpose."""

    id: str
    name: str
    arguments: Any = {}


class Tokens(_Line):
    """What the turn used; input includes what was read from the cache."""

    input_tokens: int = Field(default=0, ge=0)
    output_tokens: int = Field(default=0, ge=0)
    cache_read_tokens: int = Field(default=0, ge=0)


class TurnLine(_Line):
    """A model's answer."""

    type: Literal["turn"]
    text: str = ""
    tool_calls: list[Call] = []
    usage: Tokens = Tokens()
    model: str = "replay"


class ResultLine(_Line):
    """What the real result of a call must look like."""

    type: Literal["result"]
    id: str
    ok: bool
    exit_code: int | None = None
    contains: list[str] = []
    # Of a question to a person; without it a replay asks again.
    answer: str | None = None


class Criterion(_Line):
    """What was thought of one criterion."""

    criterion: str
    met: bool
    reason: str


class ReviewLine(_Line):
    """A verdict of a check of kind `rubric` on a tree; `reviews.jsonl` has nothing else."""

    type: Literal["review"]
    check: str
    tree: str
    model: str = "replay"
    criteria: list[Criterion]
    notes: str = ""


Line = Header | TurnLine | ResultLine | ReviewLine
_LINE: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="type")])


def read_lines(file: Path) -> Iterator[tuple[int, Line]]:
    """The lines with their numbers, blank ones left out.

    Raises CorruptRecording, FileNotFoundError.
    """
    for number, text in enumerate(_content(file).split(b"\n"), start=1):
        if text.strip():
            try:
                yield number, _LINE.validate_json(text)
            except ValidationError as error:
                raise CorruptRecording(file, number, _first_problem(error)) from error


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise CorruptRecording(file, 1, f"the file can't be read ({error.strerror})") from error


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    # The first part of the place is the line's type, which the reader sees anyway.
    where = ".".join(str(part) for part in first["loc"][1:])
    return f"{where}: {first['msg']}" if where else first["msg"]
