"""The hosts that an agent's settings allow, as endpoints; this machine is never one of them."""

import ipaddress
import socket
from collections.abc import Sequence

from conductor_app.errors import InvalidInput

HTTPS = 443
EVERYWHERE = "*"


class HostRefused(InvalidInput):
    """A host can't be allowed."""

    code = "host_refused"


def endpoints(hosts: Sequence[str]) -> tuple[str, ...]:
    """`name:port` of each, port 443 where none is given. Raises HostRefused.

    A name of this machine is refused: its own services (the broker, the database, the API) listen
    there, and what an agent runs must not reach them.
    """
    return tuple(_endpoint(host) for host in hosts)


def _endpoint(host: str) -> str:
    name, _, port = host.rpartition(":") if host.count(":") == 1 else (host, "", "")
    number = port or str(HTTPS)
    if not number.isdigit() or not 0 < int(number) < 65536:
        raise HostRefused(f"{host}: {port!r} is no port. Write `name` or `name:port`.")
    for address in _addresses(name):
        if address.is_loopback or address.is_link_local or address.is_unspecified:
            raise HostRefused(
                f"{host} is this machine ({address}), where Conductor's own services listen. "
                "Name a host of the network."
            )
    return f"{name}:{number}"


def _addresses(name: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise HostRefused(
            f"{name} has no address here: {error}. Correct the name in the agent's `network`."
        ) from None
    return [ipaddress.ip_address(str(entry[4][0])) for entry in found]
