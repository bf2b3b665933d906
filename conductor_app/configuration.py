"""The operator's file in the data directory, conductor.yml, section by section."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from conductor_app.domain.spelling import closest
from conductor_app.errors import InvalidSettings

FILE_NAME = "conductor.yml"
SECTIONS = ("connectors", "prices")


def section(home: Path, name: str) -> dict[str, Any]:
    """What the file says under this name; empty when it says nothing. Raises InvalidSettings."""
    said = _read(home / FILE_NAME)
    for key in said:
        if key not in SECTIONS:
            raise InvalidSettings(f"{home / FILE_NAME}: {unknown('section', key, SECTIONS)}")
    found = said.get(name) or {}
    if not isinstance(found, dict):
        raise InvalidSettings(
            f"{home / FILE_NAME}: `{name}` must be a mapping, as in `{name}:` and, indented below "
            "it, a line for each."
        )
    return found


def unknown(kind: str, word: Any, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    """A sentence about a word that nobody knows, with the one that was meant, or all there are."""
    near = closest(str(word), known)
    meant = f"Did you mean `{near}`?" if near else f"Known: {', '.join(known)}."
    return f"there is no {kind} `{word}`. {meant}"


def sentence(error: ValidationError, known: tuple[str, ...]) -> str:
    """Every mistake with its place; `known` are the fields that there are."""
    return " ".join(_mistake(each, known) for each in error.errors(include_url=False))


def sentence_of_variables(error: ValidationError, known: tuple[str, ...], prefix: str) -> str:
    """The same of variables of the environment, each by its name."""
    return " ".join(
        f"{prefix}{str(each['loc'][0]).upper()}: {_mistake(each, known)}"
        for each in error.errors(include_url=False)
    )


def _mistake(mistake: ErrorDetails, known: tuple[str, ...]) -> str:
    *place, last = mistake["loc"] or ("it",)
    if mistake["type"] == "extra_forbidden":
        where = f"{'.'.join(map(str, place))}: " if place else ""
        if place and last in known:
            return f"{where}`{last}` is a setting of the connector and not of one agent."
        return where + unknown("setting", last, known)
    where = ".".join(map(str, mistake["loc"]))
    return f"{where} is {mistake['input']!r}: {mistake['msg'].removeprefix('Value error, ')}."


def _read(file: Path) -> dict[Any, Any]:
    try:
        said = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"{file} can't be read: {error}.") from None
    except yaml.YAMLError as error:
        raise InvalidSettings(f"{file} is no valid YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(said, dict | None):
        raise InvalidSettings(f"{file} must be a mapping of sections: {', '.join(SECTIONS)}.")
    return said or {}
