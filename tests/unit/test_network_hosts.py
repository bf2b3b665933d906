"""Hosts that settings and agents name: what is none, this machine, and a name without address."""

import socket
from typing import Any

import pytest

from conductor_app.domain import network_hosts
from conductor_app.domain.workflow import AgentSpec
from workers.agents import network
from workers.failures import AttemptFailed
from workers.sandbox import hosts

HERE = ["localhost", "LOCALHOST.", "db.localhost", "127.0.0.1", "127.9.9.9:6379", "0.0.0.0", "::1"]
NO_HOSTS = ["https://example.com", "example.com:http", "example.com:0", "a b", "[::1]:443", ":80"]
NO_HOSTS += ["*.example.com", "*:443", "a:b:80", "a,b"]


@pytest.mark.parametrize("host", ["example.com", "example.com:8443", "10.0.0.7:80", "2001:db8::7"])
def test_a_host_is_a_name_or_an_address_perhaps_with_a_port(host: str) -> None:
    assert network_hosts.elsewhere(host) == host


def test_every_host_is_one_too() -> None:
    assert network_hosts.elsewhere("*") == "*"


@pytest.mark.parametrize("host", [*HERE, "::ffff:127.0.0.1", "169.254.169.254", "fe80::1"])
def test_this_machine_is_known_without_asking_anybody(host: str) -> None:
    with pytest.raises(ValueError, match="it is this machine"):
        network_hosts.elsewhere(host)


@pytest.mark.parametrize("host", NO_HOSTS)
def test_what_is_no_host_is_told(host: str) -> None:
    with pytest.raises(ValueError, match="Write `name` or `name:port`"):
        network_hosts.elsewhere(host)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The addresses that there are."""
    known: dict[str, str] = {}

    def look_up(name: str, *_: Any, **__: Any) -> list[Any]:
        if name not in known:
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (known[name], 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


def test_endpoints_have_a_port(names: dict[str, str]) -> None:
    names["example.com"] = "192.0.2.7"
    wanted = ("example.com", "example.com:80")
    assert hosts.endpoints(wanted) == ("example.com:443", "example.com:80")


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0"])
def test_a_name_that_leads_here_is_refused(names: dict[str, str], address: str) -> None:
    names["trick.example.com"] = address
    with pytest.raises(hosts.HostRefused, match="is this machine"):
        hosts.endpoints(["trick.example.com"])


def failure_of(*wanted: str) -> AttemptFailed:
    with pytest.raises(AttemptFailed) as failure:
        network.allowed(AgentSpec(name="tester", network=wanted))
    return failure.value


def test_an_agent_that_names_this_machine_has_failed_for_good(names: dict[str, str]) -> None:
    names["127.0.0.1"] = "127.0.0.1"
    failure = failure_of("*", "127.0.0.1:6379")
    assert (failure.kind, failure.retryable) == ("AGENT_ERROR", False)
    assert failure.message.startswith("`network` of the agent tester: 127.0.0.1:6379 is this")


def test_a_name_without_an_address_is_tried_again(names: dict[str, str]) -> None:
    """Whose name is wrong, and whose name service is away, looks the same."""
    failure = failure_of("nowhere.invalid")
    assert (failure.kind, failure.retryable) == ("TEMPORARY_FAILURE", True)
    assert failure.message == (
        "`network` of the agent tester: nowhere.invalid has no address here (Name or service not "
        "known). Correct the name, or see to it that this machine can look it up."
    )


def test_a_name_that_can_not_be_one_has_no_address() -> None:
    """It is refused before anybody is asked, in an exception of its own."""
    with pytest.raises(hosts.HostUnknown, match="has no address here"):
        hosts.endpoints(["a" * 70 + ".example.com"])


def test_an_agent_reaches_what_it_names(names: dict[str, str]) -> None:
    names["example.com"] = "192.0.2.7"
    agent = AgentSpec(name="tester", network=("*", "example.com"))
    assert network.allowed(agent) == ("*", "example.com")
