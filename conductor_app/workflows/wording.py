"""Pydantic's findings about a template in words for its author, with suggestions."""

import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from conductor_app.domain.spelling import closest
from conductor_app.domain.workflow import Problem, Workflow

Loc = tuple[str | int, ...]

KINDS = ("command", "file", "http", "sql", "python", "load", "rubric")
_PATTERNS: Mapping[str, str] = {
    r"^[a-z0-9]+(-[a-z0-9]+)*$": "small letters, digits and single hyphens, as in `base-types`",
    r"^([0-9]+/)?[a-z0-9]+(-[a-z0-9]+)*$": "a task's key, as in `base-types` or `0/base-types`",
    r"^[A-Z][A-Z0-9_]*$": "a kind of failure, as in `TIMEOUT`",
    r"^[a-z][a-z0-9_]*$": "small letters, digits and underscores, as in `max_users`",
    r"^/": "a path from the root, as in `/health/live`",
}

_EXPECTED: Mapping[str, str] = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def problems(error: ValidationError, data: Any) -> list[Problem]:
    """One problem for each place; a value that may be several things has all they say in one."""
    found: dict[Loc, Problem] = {}
    for detail in error.errors(include_url=False):
        if detail["type"] == "too_short" and detail["input"]:
            # Not short as written: its items have errors of their own.
            continue
        problem = _problem(detail, in_text(detail["loc"], data))
        before = found.get(problem.loc)
        if before is not None and before.message != problem.message:
            problem = replace(before, message=f"{before.message}, or {problem.message}")
        found[problem.loc] = problem
    return list(found.values())


def in_text(loc: Loc, data: Any) -> Loc:
    """The place as the text has it: pydantic's names for the sorts of a value are left out."""
    known: Loc = ()
    for part in loc:
        keys = range(len(data)) if isinstance(data, list) else data
        if isinstance(data, dict | list) and part in keys:
            # mypy can't see that only a list was asked for a number.
            data, known = data[part], (*known, part)  # type: ignore[index]
    return known


def _problem(detail: ErrorDetails, loc: Loc) -> Problem:
    name, given = _name(loc), detail["input"]
    context: Mapping[str, Any] = detail.get("ctx", {})
    suggestion: str | None = None
    match detail["type"]:
        case "extra_forbidden":
            message = f"unknown field {name}"
            suggestion = closest(str(loc[-1]), _fields(detail["loc"][:-1]))
        case "missing":
            message, loc = f"`{detail['loc'][-1]}` is missing", (*loc, detail["loc"][-1])
        case "union_tag_invalid":
            message = f"there is no kind of check `{context['tag']}`; one of {', '.join(KINDS)}"
            loc, suggestion = (*loc, "kind"), closest(str(context["tag"]), KINDS)
        case "union_tag_not_found":
            message = f"`kind` is missing; one of {', '.join(KINDS)}"
        case "literal_error":
            allowed = re.findall(r"'([^']*)'", context["expected"])
            message = f"{name} can't be `{given}`; one of {', '.join(allowed)}"
            suggestion = closest(str(given), allowed)
        case "string_pattern_mismatch":
            wanted = _PATTERNS.get(context["pattern"], f"text that matches {context['pattern']}")
            message = f"`{given}` is not {wanted}"
        case "too_short":
            message = f"{name} must not be empty"
        case sort if sort in _EXPECTED:
            message = f"{name} must be {_EXPECTED[sort]}"
        case "value_error":
            message = str(context["error"])
        case _:
            message = f"{name}: {detail['msg'][0].lower()}{detail['msg'][1:]}"
    return Problem("error", message, loc, suggestion)


def _name(loc: Loc) -> str:
    """`field`, or for an item of a list its number from 1."""
    if not loc:
        return "the template"
    if isinstance(loc[-1], int) and len(loc) > 1:
        return f"item {loc[-1] + 1} of `{loc[-2]}`"
    return f"`{loc[-1]}`"


def _fields(loc: Loc) -> list[str]:
    """The fields that may stand at a place of the template."""
    places: list[Any] = [Workflow]
    for part in loc:
        places = [inner for place in places for inner in _inside(place, part)]
    return [
        field.alias or name
        for place in places
        for model in _models(place)
        for name, field in model.model_fields.items()
    ]


def _inside(place: Any, part: str | int) -> Iterator[Any]:
    """What `part` leads to: a field, the items of a collection, or the check of this kind."""
    if get_origin(place) is Annotated:
        place = get_args(place)[0]
    if get_origin(place) in (Union, types.UnionType):
        models = list(_models(place))
        tagged = [model for model in models if _kind(model) == part]
        if tagged:
            yield from tagged
            return
        for option in get_args(place):
            yield from _inside(option, part)
    elif get_origin(place) is dict:
        yield get_args(place)[1]
    elif get_origin(place) is tuple:
        yield get_args(place)[0]
    elif isinstance(place, type) and issubclass(place, BaseModel):
        for name, field in place.model_fields.items():
            if part in (name, field.alias):
                yield field.annotation


def _models(place: Any) -> Iterator[type[BaseModel]]:
    if isinstance(place, type) and issubclass(place, BaseModel):
        yield place
    elif get_origin(place) is Annotated:
        yield from _models(get_args(place)[0])
    elif get_origin(place) in (Union, types.UnionType):
        for option in get_args(place):
            yield from _models(option)


def _kind(model: type[BaseModel]) -> Any:
    return model.model_fields["kind"].default if "kind" in model.model_fields else None
