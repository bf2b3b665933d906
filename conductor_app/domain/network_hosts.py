"""Hosts of the network as settings name them: `name` or `name:port`, and never this machine."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address

HTTPS = 443
# Every host but this machine.
EVERYWHERE = "*"
_NAME = re.compile(r"[^\s/@\[\]*?,:]+")
_HOW = "Write `name` or `name:port`"


def endpoint(host: str) -> tuple[str, int]:
    """Its name and its port, 443 where none is given. Raises ValueError for what is no host."""
    name, _, port = host.rpartition(":") if host.count(":") == 1 else (host, "", "")
    number = port or str(HTTPS)
    if not number.isdecimal() or not 0 < int(number) < 65536:
        raise ValueError(f"{port!r} is no port. {_HOW}")
    if not _NAME.fullmatch(name) and _address(name) is None:
        raise ValueError(f"{name!r} is no name. {_HOW}")
    return name, int(number)


def elsewhere(host: str) -> str:
    """The host, as far as that can be told without looking it up.

    Raises ValueError for what is no host, and for this machine.
    """
    if host != EVERYWHERE and _is_here(endpoint(host)[0]):
        raise ValueError(
            "it is this machine, where Conductor's own services listen. Name a host of the network"
        )
    return host


def leads_here(address: Address) -> bool:
    """Whether Conductor's own services, or those of the machine's owner, may be there."""
    # As IPv6 also has the addresses of IPv4.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    plain = mapped or address
    return plain.is_loopback or plain.is_link_local or plain.is_unspecified


def _is_here(name: str) -> bool:
    address = _address(name)
    if address is not None:
        return leads_here(address)
    return f".{name.rstrip('.').lower()}".endswith(".localhost")


def _address(name: str) -> Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None
