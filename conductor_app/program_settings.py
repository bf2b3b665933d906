"""Settings of the connectors that run programs: presets, conductor.yml, environment, agents."""

import os
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, ValidationError

from conductor_app import configuration, program_rules
from conductor_app.domain import network_hosts
from conductor_app.domain.workflow_checks import Model, Slug, Text
from conductor_app.errors import InvalidSettings
from conductor_app.program_rules import PROTOCOLS
from conductor_app.programs import BY_CONNECTOR, DEFAULTS, ParserName, Program
from conductor_app.settings import Settings

# What no variable can say: lists and mappings.
_WRITTEN_ONLY = ("argv", "env", "pass_env", "hosts", "readable", "agents")
PARSERS: tuple[str, ...] = get_args(ParserName)
UPSTREAMS = {"messages": "claude", "responses": "codex"}


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(f"`{each}`" for each in words)


class ProgramChoices(Model):
    """What may be chosen for a connector, and again for an agent; None is not chosen."""

    program: Slug | None = Field(
        default=None, description="A program that Conductor knows, or a name of your own"
    )
    argv: tuple[Text | tuple[Text, ...], ...] | None = Field(
        default=None, description="The command line; words in a list are left out when not chosen"
    )
    parser: ParserName | None = Field(
        default=None, description=f"How its output is understood: {_listed(PARSERS)}"
    )
    protocol: Literal["messages", "responses", "none"] | None = Field(
        default=None,
        description=f"What it speaks to the model gateway: {_listed(PROTOCOLS)}; `none`: soft cap",
    )
    provider: Text | None = Field(
        default=None, description="Whose models it uses, as genai-prices calls it"
    )
    model: Text | None = Field(default=None, description="The model's id")
    permission_mode: Text | None = Field(default=None, description="What it may do unasked")
    max_turns: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Its own limit of turns"
    )
    max_usd: Annotated[Decimal, Field(gt=0)] | None = Field(
        default=None, description="Its own limit of cost"
    )
    env: dict[str, str] | None = Field(default=None, description="Variables that it is given")
    pass_env: tuple[Text, ...] | None = Field(
        default=None, description="Variables of the worker that it is given"
    )
    hosts: tuple[Annotated[Text, AfterValidator(network_hosts.elsewhere)], ...] | None = Field(
        default=None, description="Hosts that it may reach: `name` or `name:port`"
    )
    readable: tuple[Path, ...] | None = Field(
        default=None, description="What it may read besides its own files"
    )


class ConnectorChoices(ProgramChoices):
    """What may be chosen for a connector."""

    agents: dict[Slug, ProgramChoices] = Field(default_factory=dict)


class ProgramSettings:
    """The programs of `command` and `acp`, as one process finds them."""

    def __init__(self, choices: Mapping[str, ConnectorChoices]) -> None:
        self._choices = choices

    def of(self, connector: str, agent: str | None = None, model: str | None = None) -> Program:
        """For an agent; `model` is what the workflow names. Raises InvalidSettings.

        Of an agent with another program than its connector's nothing is as that one has it.
        """
        chosen = self._choices.get(connector, ConnectorChoices())
        own = chosen.agents.get(agent or "", ProgramChoices())
        values = {} if _is_another(connector, own, chosen) else _given(chosen)
        return _program(connector, values | ({"model": model} if model else {}) | _given(own))

    @property
    def agents(self) -> dict[str, tuple[str, ...]]:
        """The names of the agents with settings of their own, by connector."""
        return {connector: tuple(chosen.agents) for connector, chosen in self._choices.items()}


def load(settings: Settings, environ: Mapping[str, str] | None = None) -> ProgramSettings:
    """As conductor.yml and, above it, the environment have it. Raises InvalidSettings."""
    written = configuration.section(settings.home, "connectors")
    environ = os.environ if environ is None else environ
    file = settings.home / configuration.FILE_NAME
    choices = {}
    for name in BY_CONNECTOR:
        from_file = _validated(written.get(name) or {}, f"{file}, connectors.{name}")
        variables = _of_variables(name, environ)
        if _is_another(name, variables, from_file):
            from_file = ConnectorChoices(agents=from_file.agents)
        choices[name] = from_file.model_copy(update=_given(variables))
    return ProgramSettings(choices)


def _is_another(connector: str, chosen: ProgramChoices, usual: ProgramChoices) -> bool:
    """Whether it chooses another program, for which nothing said of the usual one holds."""
    program = usual.program or DEFAULTS[connector]
    return (chosen.program or program) != program


def _validated(values: Any, place: str) -> ConnectorChoices:
    try:
        chosen = ConnectorChoices.model_validate(values)
    except ValidationError as error:
        known = tuple(ConnectorChoices.model_fields)
        raise InvalidSettings(f"{place}: {configuration.sentence(error, known)}") from None
    program_rules.require_placeholders(_given(chosen), place)
    for name, of_agent in chosen.agents.items():
        program_rules.require_placeholders(_given(of_agent), f"{place}.agents.{name}")
    return chosen


def _of_variables(connector: str, environ: Mapping[str, str]) -> ConnectorChoices:
    prefix = f"CONDUCTOR_{connector.upper()}_"
    given = {
        name.removeprefix(prefix).lower(): value
        for name, value in environ.items()
        if name.startswith(prefix) and value
    }
    for name in _WRITTEN_ONLY:
        if name in given:
            raise InvalidSettings(
                f"{prefix}{name.upper()}: what is more than one word is written in conductor.yml, "
                f"as `{name}` of `connectors: {connector}:`."
            )
    try:
        return ConnectorChoices.model_validate(given)
    except ValidationError as error:
        known = tuple(ConnectorChoices.model_fields)
        told = configuration.sentence_of_variables(error, known, prefix)
        raise InvalidSettings(told) from None


def _program(connector: str, values: dict[str, Any]) -> Program:
    name = values.pop("program", DEFAULTS[connector])
    known = BY_CONNECTOR[connector]
    preset = known.get(name)
    if preset is None and "argv" not in values:
        told = configuration.unknown("program", name, tuple(known))
        raise InvalidSettings(
            f"connectors.{connector}: {told} Or say how yours is started, with `argv`."
        )
    if "protocol" in values:
        protocol = values.pop("protocol")
        values["protocol"] = None if protocol == "none" else protocol
        values["upstream"] = UPSTREAMS.get(protocol, "")
    values = {each: value for each, value in values.items() if each != "agents"}
    place = f"connectors.{connector}"
    program_rules.require_gateway(place, name, preset, values)
    modes = program_rules.modes(connector, preset, values)
    program_rules.require_mode(place, name, modes, values)
    if preset is None:
        return Program(name=name, **values)
    if "env" in values:
        values["env"] = {**preset.env, **values["env"]}
    return replace(preset, **values)


def _given(chosen: ProgramChoices) -> dict[str, Any]:
    values = {name: getattr(chosen, name) for name in chosen.model_fields_set}
    return {name: value for name, value in values.items() if value is not None}
