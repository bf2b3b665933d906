"""Settings of the connectors of live models: defaults, conductor.yml, environment, agents."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, ValidationError

from conductor_app import configuration, connector_keys, masking, programs, secretfile
from conductor_app.connector_keys import Key
from conductor_app.domain.workflow_checks import Model, Slug, Text
from conductor_app.errors import InvalidSettings
from conductor_app.settings import Settings

# What is chosen for the keys, and for agents, is no part of a model's settings.
_NO_VALUES = ("key_variable", "key_file", "agents")
# Of an attempt, where nobody says otherwise.
MAX_TURNS = 80
Effort = Literal["none", "low", "medium", "high", "xhigh", "max"]
EFFORTS: tuple[str, ...] = get_args(Effort)


def _address(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("it must start with https:// or http://")
    return url.rstrip("/")


@dataclass(frozen=True)
class ModelSettings:
    """What a connector works with, for one agent; the key is looked up when it is needed."""

    connector: str
    # As genai-prices and OpenTelemetry call it.
    provider: str
    model: str
    base_url: str
    max_output_tokens: int
    context_window: int
    # None: as the model has it by itself.
    effort: Effort | None = None
    # Turns without an end after which an attempt has failed.
    max_turns: int = MAX_TURNS
    # Seconds without a byte after which a stream is given up.
    silence: float = 300.0
    # Whether another machine than this may be called.
    live_calls: bool = True
    # The agent that they are for, and where keys are, by `connector` and `connector/agent`.
    agent: str | None = None
    keys: Mapping[str, connector_keys.Choice] = field(default_factory=dict)

    @cached_property
    def key(self) -> Key | None:
        """Raises InvalidSettings when what is there is no key."""
        return connector_keys.find(self.connector, self.keys, self.agent)


_CLAUDE = ModelSettings(
    connector="claude",
    provider="anthropic",
    model="claude-sonnet-5-5",
    base_url="https://api.anthropic.com",
    max_output_tokens=32_000,
    context_window=200_000,
)
DEFAULTS: Mapping[str, ModelSettings] = {
    "claude": _CLAUDE,
    "claude2": replace(_CLAUDE, connector="claude2"),
    "codex": ModelSettings(
        connector="codex",
        provider="openai",
        model="gpt-6.1-sol",
        base_url="https://api.openai.com/v1",
        max_output_tokens=32_000,
        # Above this every token of a request costs more.
        context_window=272_000,
    ),
    "deepseek": ModelSettings(
        connector="deepseek",
        provider="deepseek",
        model="deepseek-flash",
        base_url="https://api.deepseek.com",
        max_output_tokens=32_000,
        context_window=1_000_000,
    ),
}


class Choices(Model):
    """What may be chosen for a connector, and again for an agent; None is not chosen."""

    model: Text | None = Field(default=None, description="The model's id")
    max_output_tokens: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="The most that one turn may say, thoughts included"
    )
    context_window: Annotated[int, Field(ge=1000)] | None = Field(
        default=None, description="Tokens that fit into a conversation"
    )
    max_turns: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description=f"Turns after which an attempt ends as `TOOL_LIMIT`; unset: {MAX_TURNS}",
    )
    effort: Effort | None = Field(
        default=None,
        description=f"How much it thinks: {', '.join(f'`{each}`' for each in EFFORTS)}, as far as "
        "the model has it; unset: the model's own",
    )
    base_url: Annotated[str, AfterValidator(_address)] | None = Field(
        default=None, description="Where the provider's API is"
    )
    key_variable: Text | None = Field(
        default=None, description="The variable with the key; unset: the provider's usual one"
    )
    key_file: Path | None = Field(default=None, description="A file with nothing but the key")

    @property
    def key(self) -> connector_keys.Choice:
        return connector_keys.Choice(self.key_variable, self.key_file)


class ConnectorChoices(Choices):
    """What may be chosen for a connector."""

    silence: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="Seconds without a byte after which a stream is given up"
    )
    agents: dict[Slug, Choices] = Field(
        default_factory=dict, description="The same for single agents, but for `silence`"
    )


class ConnectorSettings:
    """The settings of all connectors, as one process finds them."""

    def __init__(self, choices: Mapping[str, ConnectorChoices], *, live_calls: bool = True) -> None:
        self._choices = choices
        self._live_calls = live_calls

    def of(
        self, connector: str, agent: str | None = None, model: str | None = None
    ) -> ModelSettings:
        """For an agent; `model` is what the workflow names, which conductor.yml can overrule."""
        chosen = self._choices.get(connector, ConnectorChoices())
        values = _given(chosen) | ({"model": model} if model else {})
        values |= _given(chosen.agents.get(agent or "", Choices()))
        values = {name: each for name, each in values.items() if name not in _NO_VALUES}
        more: dict[str, Any] = {"live_calls": self._live_calls, "agent": agent, "keys": self.keys}
        return replace(DEFAULTS[connector], **values, **more)

    @property
    def agents(self) -> dict[str, tuple[str, ...]]:
        """The names of the agents with settings of their own, by connector."""
        return {connector: tuple(chosen.agents) for connector, chosen in self._choices.items()}

    @property
    def keys(self) -> dict[str, connector_keys.Choice]:
        """Where keys are, by connector and by `connector/agent`."""
        found = {}
        for connector, chosen in self._choices.items():
            found[connector] = chosen.key
            found |= {f"{connector}/{name}": each.key for name, each in chosen.agents.items()}
        return found


def load(settings: Settings, environ: Mapping[str, str] | None = None) -> ConnectorSettings:
    """As conductor.yml and, above it, the environment have it. Raises InvalidSettings."""
    written = configuration.section(settings.home, "connectors")
    known = (*DEFAULTS, *programs.BY_CONNECTOR)
    for name in written:
        if name not in known:
            told = configuration.unknown("connector with settings", name, known)
            raise InvalidSettings(f"{settings.home / configuration.FILE_NAME}: {told}")
    environ = os.environ if environ is None else environ
    choices = {
        name: _choices(name, written.get(name) or {}, environ, settings.home) for name in DEFAULTS
    }
    return ConnectorSettings(choices, live_calls=settings.live_calls)


def know_secrets(settings: Settings) -> None:
    """Have the keys in files and the passwords in addresses masked. Raises InvalidSettings."""
    connectors = load(settings)
    for name in DEFAULTS:
        masking.know_url(connectors.of(name).base_url)
    for each in connectors.keys.values():
        if each.file is not None:
            secretfile.know(each.file.expanduser())


def _choices(name: str, written: Any, environ: Mapping[str, str], home: Path) -> ConnectorChoices:
    place = f"{home / configuration.FILE_NAME}, connectors.{name}"
    from_file = _validated(written, place)
    return from_file.model_copy(update=_given(_of_variables(name, environ)))


def _validated(values: Any, place: str) -> ConnectorChoices:
    try:
        return ConnectorChoices.model_validate(values)
    except ValidationError as error:
        known = tuple(ConnectorChoices.model_fields)
        raise InvalidSettings(f"{place}: {configuration.sentence(error, known)}") from None


def _of_variables(connector: str, environ: Mapping[str, str]) -> ConnectorChoices:
    try:
        return ConnectorChoices.model_validate(_variables(connector, environ))
    except ValidationError as error:
        known = tuple(ConnectorChoices.model_fields)
        told = configuration.sentence_of_variables(error, known, _prefix(connector))
        raise InvalidSettings(told) from None


def _prefix(connector: str) -> str:
    return f"CONDUCTOR_{connector.upper()}_"


def _variables(connector: str, environ: Mapping[str, str]) -> dict[str, str]:
    """What CONDUCTOR_<CONNECTOR>_<SETTING> say; keys are not settings."""
    prefix = _prefix(connector)
    return {
        name.removeprefix(prefix).lower(): value
        for name, value in environ.items()
        if name.startswith(prefix) and value and name not in connector_keys.VARIABLES.values()
    }


def _given(chosen: Choices) -> dict[str, Any]:
    """What was chosen; a field that is named and left empty is not."""
    values = {name: getattr(chosen, name) for name in chosen.model_fields_set}
    return {name: value for name, value in values.items() if value is not None}
