"""What is wrong or noteworthy about settings, in sentences that name the variable to change."""

import os
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

from conductor_app.domain.spelling import closest
from conductor_app.errors import InvalidSettings
from conductor_app.settings import Settings

LOOPBACK = ("127.0.0.1", "::1", "localhost")
DATABASES = ("sqlite", "postgresql+psycopg2")
REDIS = ("redis", "rediss", "redis+socket", "unix")
BROKERS = (*REDIS, "amqp", "amqps", "pyamqp")
# How like a setting's name a variable has to be; others have names that begin as ours do.
NEARLY = 0.85


def usable(settings: Settings) -> Settings:
    """These settings, or InvalidSettings with every problem."""
    if found := list(problems(settings)):
        raise InvalidSettings(" ".join(found))
    return settings


def load_or_exit() -> Settings:
    """For a process without a caller: where they are not usable it ends with every problem."""
    try:
        return usable(Settings.load())
    except InvalidSettings as problem:
        print(problem.message, file=sys.stderr)
        sys.exit(problem.exit_code)


def problems(settings: Settings) -> Iterator[str]:
    """What makes the settings unusable, a sentence each, with the way out."""
    yield from _unknown_schemes(settings)
    yield from _unknown_connector(settings)
    if settings.database_url in ("sqlite://", "sqlite:///:memory:"):
        yield (
            f"{settings.variable('database_url')} is a database in memory, which Conductor's "
            "processes can't share. Name a file: sqlite:////absolute/path/conductor.db."
        )
    if settings.heartbeat_seconds * 2 > settings.lease_seconds:
        yield (
            f"Heartbeats every {settings.heartbeat_seconds:g} s can't keep a lease of "
            f"{settings.lease_seconds:g} s alive when one is late. Set "
            "CONDUCTOR_HEARTBEAT_SECONDS to half of CONDUCTOR_LEASE_SECONDS or less."
        )
    if settings.recordings is not None and not settings.recordings.is_dir():
        yield (
            f"CONDUCTOR_RECORDINGS is {settings.recordings}, where there is no directory. Make it, "
            "or unset the variable for the recordings that come with Conductor."
        )
    if settings.host not in LOOPBACK and settings.token is None:
        yield (
            f"CONDUCTOR_HOST is {settings.host}, so other machines could reach the API, and no "
            "token was chosen for that. Set CONDUCTOR_TOKEN, or keep the host at 127.0.0.1."
        )


def warnings(settings: Settings) -> Iterator[str]:
    """What works but should be known, a sentence each."""
    if settings.sandbox == "unconfined":
        yield "Commands run unconfined: agents can read and change whatever you can."
    if not settings.enable_orchestrator:
        yield "ENABLE_ORCHESTRATOR is false: nothing moves forward until it is true."
    if settings.host not in LOOPBACK:
        yield f"The API listens on {settings.host}: everybody who has the token can reach it."
    yield from _misspelt()


def _unknown_connector(settings: Settings) -> Iterator[str]:
    if settings.connector is None:
        return
    # What a connector is named in brings all workflows with it, which most commands never need.
    from conductor_app.catalog import CONNECTORS
    from conductor_app.configuration import unknown

    if settings.connector not in CONNECTORS:
        told = unknown("connector", settings.connector, CONNECTORS)
        yield f"CONDUCTOR_CONNECTOR: {told} Set it right, or unset it for replay."


def _misspelt() -> Iterator[str]:
    """Variables that are no setting, and look very much like one."""
    known = [f"CONDUCTOR_{name.upper()}" for name in Settings.model_fields]
    for name in sorted(set(os.environ) - set(known)):
        bare = name.removeprefix("CONDUCTOR_")
        near = closest(bare, Settings.model_fields, NEARLY) if bare != name else None
        if near:
            yield f"{name} is no setting. Did you mean CONDUCTOR_{near.upper()}?"


def _has_a_port(url: str | None) -> bool:
    """Whether its port is one, where it names any; Celery takes several URLs, divided by `;`."""
    try:
        for each in (url or "").split(";"):
            _ = urlsplit(each).port
    except ValueError:
        return False
    return True


def _unknown_schemes(settings: Settings) -> Iterator[str]:
    """URLs of servers that Conductor does not speak with; only the scheme is shown, never more."""
    spoken = (
        (
            *(settings.variable("database_url"), settings.database_url, DATABASES),
            "sqlite:////FILE or postgresql://USER:PASSWORD@HOST/NAME",
        ),
        (
            *(settings.variable("broker_url"), settings.broker_url, BROKERS),
            "redis://HOST/0 or amqp://USER:PASSWORD@HOST//, or unset it",
        ),
        (
            *(settings.variable("redis_url"), settings.redis_url, REDIS),
            "redis://HOST/0, or unset it",
        ),
    )
    for variable, url, schemes, way_out in spoken:
        scheme = (url or schemes[0]).partition(":")[0]
        if scheme not in schemes:
            yield (
                f"{variable} starts with {scheme}, which Conductor does not speak. Use {way_out}."
            )
        elif not _has_a_port(url):
            yield f"{variable} has a port that is no number from 0 to 65535. Use {way_out}."
