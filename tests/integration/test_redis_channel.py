"""The channels to a Redis broker, when the server goes away while messages are held."""

from pathlib import Path
from typing import Any

import kombu
import pytest
import redis
from kombu.common import ignore_errors
from kombu.transport import TRANSPORT_ALIASES

from conductor_app.settings import Settings
from workers.messages import guard_redis


@pytest.fixture(autouse=True)
def guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Afterwards kombu is as it was."""
    for name in ("redis", "rediss"):
        monkeypatch.setitem(TRANSPORT_ALIASES, name, TRANSPORT_ALIASES[name])
    # Other tests have connected before.
    monkeypatch.setattr(kombu.transport, "_transport_cache", {})
    guard_redis()


def fails_to_read(channel: Any) -> None:
    """The server went away while the channel waited for an answer, and it learns of it now."""

    def read(**_options: Any) -> bool:
        channel._in_poll = None
        raise redis.ConnectionError("Connection refused")

    channel._in_poll = channel
    channel._brpop_read = read


def test_a_connection_that_is_lost_is_given_up_quietly(redis_url: str, home: Path) -> None:
    """As Celery's consumer does it, collected and then closed; an error would end its worker."""
    settings = Settings.load(home, redis_url=redis_url)
    connection = kombu.Connection(settings.celery_broker_url)
    channel, remote_control = connection.default_channel, connection.channel()
    queue = kombu.Queue("agent.api", channel=channel)
    queue.declare()
    kombu.Producer(channel).publish({}, routing_key=queue.name)
    message = queue.get(no_ack=False)
    fails_to_read(channel)
    fails_to_read(remote_control)
    connection.collect()
    ignore_errors(connection, connection.close)
    # Its task ends later.
    message.ack()
    # What was held is the server's still, which gives it to others.
    with kombu.Connection(settings.celery_broker_url) as again:
        unacked = again.default_channel.client.hlen("unacked")
    assert unacked == 1


def test_a_channel_may_be_closed_again(redis_url: str, home: Path) -> None:
    """As Celery does at the end of a worker."""
    settings = Settings.load(home, redis_url=redis_url)
    connection = kombu.Connection(settings.celery_broker_url)
    channel = connection.default_channel
    channel.close()
    channel.close()
    connection.close()
