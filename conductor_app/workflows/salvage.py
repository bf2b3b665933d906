"""A template without its malformed parts, so that the rules can judge the rest at once."""

import copy
from typing import Any

from pydantic import ValidationError

from conductor_app.domain.workflow import Workflow

_CHECK_LISTS = frozenset({"checks", "exit_criteria", "tests"})


def without(data: dict[str, Any], error: ValidationError) -> Workflow | None:
    """The workflow without the fields that the error names; None when it can't do without one."""
    rest = copy.deepcopy(data)
    for detail in error.errors(include_url=False, include_context=False):
        in_checks = any(part in _CHECK_LISTS for part in detail["loc"])
        # An input that is left out would be missed wherever it is used.
        if detail["loc"][0] == "inputs" or (detail["type"] == "missing" and not in_checks):
            return None
        _remove(rest, detail["loc"])
    try:
        return Workflow.model_validate(rest)
    except ValidationError:
        return None


def _remove(data: dict[str, Any], loc: tuple[str | int, ...]) -> None:
    """Removes the field nearest to the place; of a check, the whole list that it is in.

    Items of lists stay: removing one would move what follows, and with it its line.
    """
    holder: dict[Any, Any] = {}
    field: str | int | None = None
    place: Any = data
    for part in loc:
        if isinstance(place, dict) and part in place:
            holder, field, place = place, part, place[part]
            if part in _CHECK_LISTS and isinstance(place, list):
                break
        elif isinstance(place, list) and isinstance(part, int) and part < len(place):
            place = place[part]
    holder.pop(field, None)
