"""Says early, in a sentence, that a configured server does not answer at all."""

import socket
from urllib.parse import urlsplit

from conductor_app.errors import InvalidSettings, Unreachable
from conductor_app.settings import Settings

DEFAULT_PORTS = {"redis": 6379, "rediss": 6379, "amqp": 5672, "pyamqp": 5672, "amqps": 5671}
POSTGRESQL_PORT = 5432
CONNECT_SECONDS = 3.0


def require_reachable(settings: Settings) -> None:
    """Of the servers that settings name by URL: raises Unreachable, naming what does not answer,
    and InvalidSettings for a URL that can't be read."""
    servers = (
        ("The database", settings.variable("database_url"), settings.database_url),
        ("The broker", settings.variable("broker_url"), settings.broker_url),
        ("Redis", settings.variable("redis_url"), settings.redis_url),
    )
    for what, variable, url in servers:
        try:
            address = server_address(url or "")
        except ValueError as error:
            # The URL may hold a password, and so may what Python says of it.
            reason = str(error).partition(" as ")[0]
            raise InvalidSettings(f"{variable} can't be read: {reason}. Write it anew.") from None
        if address:
            _require(what, variable, address)


def server_address(url: str) -> tuple[str, int] | None:
    """Host and port in a URL; None for what is no server in the network (files, sockets).

    Raises ValueError for a port that is none.
    """
    parts = urlsplit(url)
    if not parts.hostname:
        return None
    scheme = parts.scheme.partition("+")[0]
    return parts.hostname, parts.port or DEFAULT_PORTS.get(scheme, POSTGRESQL_PORT)


def _require(what: str, variable: str, address: tuple[str, int]) -> None:
    try:
        socket.create_connection(address, timeout=CONNECT_SECONDS).close()
    except OSError as failure:
        raise Unreachable(
            f"{what} at {address[0]}:{address[1]} does not answer: "
            f"{failure.strerror or failure}. Start it, or change {variable}."
        ) from failure
