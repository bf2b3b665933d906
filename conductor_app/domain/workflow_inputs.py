"""What a template asks to be given: typed inputs, and their places in its texts."""

import math
import re
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import model_validator

from conductor_app.domain.spelling import closest
from conductor_app.domain.workflow_checks import Model
from conductor_app.errors import InvalidInput

Value = str | int | float | bool | None
PLACE = re.compile(r"\$\{inputs\.([^}]*)\}")
# As long as the subject of a commit should be.
LINE = 72
_YES = frozenset({"true", "yes", "on", "1"})
_NO = frozenset({"false", "no", "off", "0"})


class InputSpec(Model):
    """One input; without a default it is None unless given, and `required` refuses that."""

    type: Literal["string", "integer", "number", "boolean", "choice"] = "string"
    default: Value = None
    description: str = ""
    required: bool = False
    choices: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if (self.type == "choice") != bool(self.choices):
            raise ValueError("`choices` belongs to an input of type choice, and that needs them")
        if self.default is not None:
            self.parse(_written(self.default))
        return self

    def parse(self, text: str) -> Value:
        """The typed value of what a person wrote; raises ValueError saying what is expected."""
        match self.type:
            case "string":
                return text
            case "integer":
                return _integer(text)
            case "number":
                return _number(text)
            case "boolean":
                return _boolean(text)
            case "choice":
                return self._choice(text)

    def _choice(self, text: str) -> str:
        if text not in self.choices:
            raise ValueError(f"`{text}` is not one of {', '.join(self.choices)}")
        return text


def parse_inputs(specs: Mapping[str, InputSpec], given: Mapping[str, str]) -> dict[str, Any]:
    """A typed value for every declared input; raises InvalidInput with all problems."""
    problems = [_unknown(name, specs) for name in given if name not in specs]
    values: dict[str, Any] = {}
    for name, spec in specs.items():
        if name not in given:
            if spec.required and spec.default is None:
                problems.append(f"`{name}` is required; give it with --input {name}=...")
            default = spec.default
            values[name] = None if default is None else spec.parse(_written(default))
            continue
        if spec.required and not given[name].strip():
            problems.append(f"`{name}` is empty, and nothing can be done without it")
            continue
        try:
            values[name] = spec.parse(given[name])
        except ValueError as error:
            problems.append(f"`{name}`: {error}")
    if problems:
        raise InvalidInput("The inputs are not valid: " + "; ".join(problems), problems=problems)
    return values


def render(text: str, inputs: Mapping[str, Any]) -> str:
    """The text with every `${inputs.name}` filled in; raises InvalidInput for an unknown name."""

    def fill(place: re.Match[str]) -> str:
        if place[1] not in inputs:
            raise InvalidInput(f"`{place[0]}` names no input of this workflow.")
        return _written(inputs[place[1]])

    return PLACE.sub(fill, text)


def headline(text: str, inputs: Mapping[str, Any]) -> str:
    """The text filled in as one line that fits a list, or the subject of a commit."""
    line = next((line.strip() for line in render(text, inputs).splitlines() if line.strip()), "")
    return line if len(line) <= LINE else line[: LINE - 4].rstrip() + " ..."


def names_in(text: str) -> list[str]:
    """The inputs that a text refers to, in order."""
    return PLACE.findall(text)


def _written(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _unknown(name: str, specs: Mapping[str, InputSpec]) -> str:
    near = closest(name, specs)
    known = f"did you mean `{near}`?" if near else f"known: {', '.join(specs) or 'none'}"
    return f"`{name}` is not an input of this workflow ({known})"


def _integer(text: str) -> int:
    if not re.fullmatch(r"[-+]?[0-9]{1,18}", text.strip()):
        raise ValueError(f"`{text}` is not an integer")
    return int(text)


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"`{text}` is not a number") from None
    if not math.isfinite(number):
        raise ValueError(f"`{text}` is not a finite number")
    return number


def _boolean(text: str) -> bool:
    folded = text.strip().casefold()
    if folded not in _YES | _NO:
        raise ValueError(f"`{text}` is neither true nor false")
    return folded in _YES
