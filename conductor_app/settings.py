"""Settings: one frozen, typed object, read from the environment, with the addresses it implies."""

import os
import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from conductor_app.domain.budget import Caps, Daily, nano_usd
from conductor_app.errors import InvalidSettings
from conductor_app.places import Places, default_home, redis_socket
from conductor_app.secretfile import read_or_create

EMBEDDED = "embedded"


def _database_url(url: Any) -> Any:
    """The URL as SQLAlchemy and child processes need it.

    SQLAlchemy 2.1 takes `postgresql://` for psycopg 3, and Conductor ships psycopg2; a relative
    SQLite file would be another one in every working directory.
    """
    if not isinstance(url, str):
        return url
    if file := re.fullmatch(r"sqlite:///([^/:].*)", url):
        return f"sqlite:///{Path(file[1]).absolute()}"
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg2://", url)


def _unless_embedded(url: Any) -> Any:
    return None if url == EMBEDDED else url


def _named(*names: str) -> AliasChoices:
    """The environment variables that a field is read from; the first that is set wins."""
    return AliasChoices(*names)


Url = Annotated[str | None, BeforeValidator(_unless_embedded)]


class Settings(BaseSettings):
    """What an operator may choose. Each field is CONDUCTOR_<NAME> in the environment."""

    model_config = SettingsConfigDict(
        env_prefix="CONDUCTOR_",
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        populate_by_name=True,
    )

    home: Path = Field(default_factory=default_home, description="The data directory")
    database_url: Annotated[str, BeforeValidator(_database_url)] = Field(
        default="",
        repr=False,
        description="SQLAlchemy URL; a SQLite file in the data directory",
        validation_alias=_named("CONDUCTOR_DATABASE_URL", "DATABASE_URL"),
    )
    broker_url: Url = Field(
        default=None,
        repr=False,
        description="Celery's broker: Redis or RabbitMQ; unset: as redis_url",
        validation_alias=_named("CONDUCTOR_BROKER_URL", "RABBITMQ_URL"),
    )
    redis_url: Url = Field(
        default=None,
        repr=False,
        description="A Redis server; unset: the embedded one",
        validation_alias=_named("CONDUCTOR_REDIS_URL", "REDIS_URL"),
    )
    host: str = Field(default="127.0.0.1", description="Address that the API listens on")
    port: int = Field(default=3000, ge=1, le=65535, description="Port of the API")
    token: SecretStr | None = Field(
        default=None, description="Bearer token of the API; unset: a file made by `up`"
    )
    secret_key: SecretStr | None = Field(
        default=None, description="Key that signs and digests; unset: a file made on demand"
    )
    enable_orchestrator: bool = Field(
        default=True,
        description="false: nothing is moved forward by itself",
        validation_alias=_named("CONDUCTOR_ENABLE_ORCHESTRATOR", "ENABLE_ORCHESTRATOR"),
    )
    auto_advance: bool = Field(
        default=True,
        description="false: a person advances every phase",
        validation_alias=_named("CONDUCTOR_AUTO_ADVANCE", "AUTO_ADVANCE"),
    )
    orchestration_interval: int = Field(
        default=5000,
        ge=10,
        description="Milliseconds between two ticks",
        validation_alias=_named("CONDUCTOR_ORCHESTRATION_INTERVAL", "ORCHESTRATION_INTERVAL"),
    )
    lease_seconds: float = Field(
        default=30.0, gt=0, description="How long a silent worker keeps a job"
    )
    heartbeat_seconds: float = Field(default=5.0, gt=0, description="How often a lease is renewed")
    hint_lost_seconds: float = Field(
        default=30.0, gt=0, description="When a queued job is sent again"
    )
    worker_slots: int = Field(default=8, ge=1, description="Attempts at a time in an agent worker")
    system_slots: int = Field(default=4, ge=1, description="Checks and integrations at a time")
    sandbox: Literal["auto", "sandlock", "bubblewrap", "unconfined"] = Field(
        default="auto", description="How commands are confined"
    )
    connector: str | None = Field(
        default=None, description="Connector of agents that name none; unset: replay"
    )
    daily_tokens: int = Field(
        default=1_000_000, ge=0, le=10**15, description="Tokens that may be used in a day (UTC)"
    )
    daily_usd: Decimal = Field(
        default=Decimal(500), ge=0, le=10**7, description="USD that may be spent in a day (UTC)"
    )
    alert_percent: int = Field(
        default=80, ge=1, le=100, description="From this share of a day's budget an alert is given"
    )
    emergency_tokens: int = Field(
        default=100_000, ge=0, le=10**15, description="Tokens that a person may add to a day's"
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="How processes log: lines for people, or JSON for programs"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="From which level on; of libraries only warnings"
    )
    live_calls: bool = Field(
        default=True, description="false: no model is called but on this machine, as in tests"
    )
    recordings: Path | None = Field(
        default=None, description="Directory of recordings; unset: those that come with Conductor"
    )
    database_pool_size: int = Field(default=10, ge=1, description="Database connections a process")
    flower: bool = Field(default=False, description="true: `up` also runs Flower")
    flower_port: int = Field(default=5555, ge=1, le=65535, description="Port of Flower")

    @classmethod
    def load(cls, home: Path | None = None, **overrides: Any) -> Self:
        """Settings of the environment; what is passed wins. Raises InvalidSettings, all at once."""
        if home is not None:
            overrides["home"] = home
        try:
            return cls(**overrides)
        except ValidationError as error:
            raise InvalidSettings(_sentence(error)) from None

    def model_post_init(self, _context: Any) -> None:
        # Frozen for everybody else: here a default that depends on another field is filled in.
        object.__setattr__(self, "home", self.home.expanduser().absolute())
        if self.recordings is not None:
            object.__setattr__(self, "recordings", self.recordings.expanduser().absolute())
        if not self.database_url:
            object.__setattr__(self, "database_url", f"sqlite:///{self.home / 'conductor.db'}")

    @classmethod
    def variable(cls, field: str) -> str:
        """The environment variable that a person would change: the one that is set, else ours."""
        alias = cls.model_fields[field].validation_alias
        names = alias.choices if isinstance(alias, AliasChoices) else [f"CONDUCTOR_{field.upper()}"]
        return next((str(name) for name in names if os.environ.get(str(name))), str(names[0]))

    @property
    def places(self) -> Places:
        return Places(self.home)

    @property
    def tick_seconds(self) -> float:
        return self.orchestration_interval / 1000

    @property
    def daily(self) -> Daily:
        """What the installation may spend in a day."""
        caps = Caps(self.daily_tokens, nano_usd(self.daily_usd))
        return Daily(caps, self.alert_percent, self.emergency_tokens)

    @property
    def default_connector(self) -> str:
        """The connector of agents that name none, where nobody chose one for the execution."""
        return self.connector or "replay"

    @property
    def uses_embedded_redis(self) -> bool:
        return self.redis_url is None and not self._broker_is_redis

    @property
    def _broker_is_redis(self) -> bool:
        return self.broker_url is not None and self.broker_url.startswith(("redis", "unix:"))

    @property
    def celery_broker_url(self) -> str:
        """The broker as kombu wants it."""
        return _kombu_url(self.broker_url or self.redis_client_url)

    @property
    def redis_client_url(self) -> str:
        """The Redis server as redis-py wants it."""
        if self.uses_embedded_redis:
            return f"unix://:{self.redis_password()}@{self.redis_socket}?db=0"
        return _redis_py_url(self.redis_url or self.broker_url or "")

    @property
    def redis_socket(self) -> Path:
        return redis_socket(self.home)

    def redis_password(self) -> str:
        """The embedded Redis server's password, made on first use."""
        return read_or_create(self.places.redis_password)

    def api_token(self) -> str:
        """The bearer token that the API asks for, made on first use."""
        return (
            self.token.get_secret_value() if self.token else read_or_create(self.places.api_token)
        )

    def signing_key(self) -> bytes:
        """The key of every digest and signature of this installation, made on first use."""
        chosen = self.secret_key.get_secret_value() if self.secret_key else None
        return (chosen or read_or_create(self.places.secret_key)).encode()

    def environment(self) -> dict[str, str]:
        """The variables that give a child process these settings, whatever else it inherits."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        values["broker_url"] = values["broker_url"] or EMBEDDED
        values["redis_url"] = values["redis_url"] or EMBEDDED
        return {
            f"CONDUCTOR_{name.upper()}": _text(v) for name, v in values.items() if v is not None
        }


def _kombu_url(url: str) -> str:
    """kombu has its own words for a Redis server on a Unix socket."""
    return re.sub(r"\?db=", "?virtual_host=", re.sub(r"^unix://", "redis+socket://", url))


def _redis_py_url(url: str) -> str:
    return re.sub(r"\?virtual_host=", "?db=", re.sub(r"^redis\+socket://", "unix://", url))


def _text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value).lower() if isinstance(value, bool) else str(value)


def _sentence(error: ValidationError) -> str:
    """Every mistake: the variable, its value unless that could hold a password, what is wrong."""
    parts = []
    for mistake in error.errors():
        name = str(mistake["loc"][0])
        variable = name if name.isupper() else f"CONDUCTOR_{name.upper()}"
        shown = "" if "URL" in variable else f" is {mistake['input']!r}"
        parts.append(f"{variable}{shown}: {mistake['msg'].lower()}.")
    return " ".join(parts) + " Set it right, or unset it for the default."
