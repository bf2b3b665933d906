"""The hosts that settings allow, as endpoints; this machine is never one of them."""

import socket
from collections.abc import Sequence
from ipaddress import ip_address

from conductor_app.domain import network_hosts
from conductor_app.domain.network_hosts import Address
from conductor_app.errors import EnvironmentProblem, InvalidInput


class HostRefused(InvalidInput):
    """A host can't be allowed."""

    code = "host_refused"


class HostUnknown(EnvironmentProblem):
    """A host has no address here, or none at this time."""

    code = "host_unknown"


def endpoints(hosts: Sequence[str]) -> tuple[str, ...]:
    """`name:port` of each, port 443 where none is given. Raises HostRefused and HostUnknown.

    A name of this machine is refused: its own services (the broker, the database, the API) listen
    there, and what an agent runs must not reach them.
    """
    return tuple(_endpoint(host) for host in hosts)


def _endpoint(host: str) -> str:
    try:
        name, port = network_hosts.endpoint(host)
    except ValueError as problem:
        raise HostRefused(f"{host}: {problem}.") from None
    for address in _addresses(name):
        if network_hosts.leads_here(address):
            raise HostRefused(
                f"{host} is this machine ({address}), where Conductor's own services listen. "
                "Name a host of the network."
            )
    return f"{name}:{port}"


def _addresses(name: str) -> list[Address]:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    # What can't even be asked for is no OSError.
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise HostUnknown(
            f"{name} has no address here ({reason}). Correct the name, or see to it that this "
            "machine can look it up."
        ) from None
    return [ip_address(str(entry[4][0])) for entry in found]
