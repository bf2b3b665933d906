"""Which servers a URL names, and what is said of one that does not answer."""

import socket
from pathlib import Path

import pytest

from conductor_app.errors import InvalidSettings, Unreachable
from conductor_app.settings import Settings
from conductor_app.stack.reachable import require_reachable, server_address


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://cache/0", ("cache", 6379)),
        ("rediss://:p@cache:7000/0", ("cache", 7000)),
        ("amqp://u:p@rabbit//", ("rabbit", 5672)),
        ("amqps://rabbit", ("rabbit", 5671)),
        ("postgresql+psycopg2://u:p@db/x", ("db", 5432)),
        ("postgresql+psycopg2:///x?host=/run/pg", None),
        ("sqlite:////data/conductor.db", None),
        ("unix://:p@/run/redis.sock?db=0", None),
        ("redis+socket://:p@/run/redis.sock?virtual_host=0", None),
        ("", None),
    ],
)
def test_the_server_in_a_url(url: str, address: tuple[str, int] | None) -> None:
    assert server_address(url) == address


def test_what_listens_is_reachable(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        require_reachable(Settings.load(broker_url=f"amqp://127.0.0.1:{port}//"))


def test_what_is_silent_is_named_with_the_variable_to_change(home: Path) -> None:
    with pytest.raises(Unreachable) as raised:
        require_reachable(Settings.load(redis_url="redis://:secret@127.0.0.1:1/0"))
    assert "Redis at 127.0.0.1:1 does not answer" in raised.value.message
    assert "CONDUCTOR_REDIS_URL" in raised.value.message
    assert "secret" not in raised.value.message


@pytest.mark.parametrize("name", ["REDIS_URL", "CONDUCTOR_REDIS_URL"])
def test_the_variable_that_was_set_is_the_one_that_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "redis://127.0.0.1:1/0")
    with pytest.raises(Unreachable, match=rf"change {name}\."):
        require_reachable(Settings.load())


@pytest.mark.parametrize(
    "url", ["redis://:secret@cache:99999/0", "redis://:secret@cache:port/0", "redis://:secret@[x/0"]
)
def test_a_url_that_can_not_be_read_is_refused_and_not_repeated(home: Path, url: str) -> None:
    with pytest.raises(InvalidSettings) as raised:
        require_reachable(Settings.load(redis_url=url))
    assert "CONDUCTOR_REDIS_URL" in raised.value.message
    assert "secret" not in raised.value.message
