"""`${name}` in what a check sends: values saved from earlier answers, and `${env.NAME}`."""

import re
from collections.abc import Mapping
from typing import Any

from conductor_app.errors import InvalidInput
from workers.means import MeansAbsent

REFERENCE = re.compile(r"\$\{([A-Za-z_][\w.]*)\}")


class UnknownReference(InvalidInput):
    """A check refers to a value that no earlier answer saved."""

    code = "unknown_reference"


def fill(value: Any, saved: Mapping[str, Any], environment: Mapping[str, str]) -> Any:
    """The value with its references replaced, in lists and dictionaries too.

    A string that is one whole reference takes the saved value's own type. Raises MeansAbsent for an
    environment variable that nobody set, UnknownReference for a name that no earlier answer saved.
    """
    if isinstance(value, str):
        whole = REFERENCE.fullmatch(value)
        if whole:
            return _look_up(whole[1], saved, environment)
        return fill_text(value, saved, environment)
    if isinstance(value, Mapping):
        return {key: fill(item, saved, environment) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [fill(item, saved, environment) for item in value]
    return value


def fill_text(text: str, saved: Mapping[str, Any], environment: Mapping[str, str]) -> str:
    """As fill, for text that stays text."""
    return REFERENCE.sub(lambda found: str(_look_up(found[1], saved, environment)), text)


def _look_up(name: str, saved: Mapping[str, Any], environment: Mapping[str, str]) -> Any:
    if not name.startswith("env."):
        if name not in saved:
            raise UnknownReference(
                f"${{{name}}} is unknown; saved so far: {', '.join(sorted(saved)) or 'nothing'}"
            )
        return saved[name]
    variable = name.removeprefix("env.")
    if variable not in environment:
        raise MeansAbsent(
            f"${{env.{variable}}} is not set; set it in the service's env, or set "
            f"CONDUCTOR_CHECK_{variable} in the environment of the workers."
        )
    return environment[variable]
