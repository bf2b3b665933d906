"""What a run's inputs make of a template's checks and setup: texts filled in, some left out."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from conductor_app.domain.workflow_checks import Check, Model
from conductor_app.domain.workflow_inputs import PLACE, render
from conductor_app.domain.workflow_template import Setup
from conductor_app.errors import InvalidInput

Inputs = Mapping[str, Any]
Part = TypeVar("Part", bound=Model)
# Fields that hold a line for the shell, unless they hold a list of words.
COMMANDS = frozenset({"run", "prepare"})


def given_checks(checks: Iterable[Check], inputs: Inputs) -> tuple[Check, ...]:
    """The checks that this run has, without those whose `when` names an input that says nothing.

    In a line for the shell an input is one quoted word; where it is the whole line it is the
    command itself. Raises InvalidInput when a text that is filled in makes a check invalid.
    """
    return tuple(
        _filled(check, f"the check {check.name!r}", inputs)
        for check in checks
        if check.when is None or inputs.get(check.when)
    )


def given_setup(setup: Setup | None, inputs: Inputs) -> Setup | None:
    """The setup that this run has; as `given_checks`."""
    if setup is None or (setup.when is not None and not inputs.get(setup.when)):
        return None
    return _filled(setup, "the setup", inputs)


def _filled(part: Part, spoken: str, inputs: Inputs) -> Part:
    written = part.model_dump(mode="json", by_alias=True, exclude_unset=True)
    filled = {
        name: _command(value, inputs) if name in COMMANDS else _fill(value, inputs)
        for name, value in written.items()
    }
    if filled == written:
        return part
    try:
        return type(part).model_validate(filled)
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        where = ".".join(map(str, wrong["loc"]))
        raise InvalidInput(
            f"With these inputs {spoken} is not valid: {where}: {wrong['msg']}. Give other inputs."
        ) from None


def _command(command: str | Sequence[str], inputs: Inputs) -> Any:
    if not isinstance(command, str) or PLACE.fullmatch(command.strip()):
        return _fill(command, inputs)
    quoted = {name: shlex.quote(render(f"${{inputs.{name}}}", inputs)) for name in inputs}
    return render(command, quoted)


def _fill(value: Any, inputs: Inputs) -> Any:
    if isinstance(value, str):
        return render(value, inputs)
    if isinstance(value, Mapping):
        return {key: _fill(item, inputs) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, inputs) for item in value]
    return value
