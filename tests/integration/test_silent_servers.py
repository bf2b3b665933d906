"""Servers that fall silent: given up in time, at both ends, whoever waits for whom."""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from kombu import Connection
from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError

from conductor_app import silence
from conductor_app.bootstrap import celery_settings
from conductor_app.queue import MemoryQueue
from conductor_app.settings import Settings
from conductor_app.store.database import Database
from tests.fakes.tcp_proxy import TcpProxy
from tests.faults import links

# What the kernel makes of the scaled bounds, and something for a loaded machine.
GIVEN_UP_WITHIN = 10.0


@pytest.fixture
def link(postgresql_url: str) -> Iterator[TcpProxy]:
    with links.to_postgresql(postgresql_url) as proxy:
        yield proxy


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database(Settings.load(database_url=url).database_url, b"key", MemoryQueue())
    try:
        yield database
    finally:
        database.close()


@pytest.fixture
def database(postgresql_url: str, link: TcpProxy) -> Iterator[Database]:
    """By the link, with bounds that are scaled down."""
    with opened(links.postgresql_through(link, postgresql_url)) as database:
        yield database


def ask(database: Database, question: str = "SELECT 1") -> object:
    with database.read() as tx:
        return tx.value(text(question))


def tcp_options(connected: socket.socket) -> dict[int, int]:
    return {
        name: connected.getsockopt(socket.IPPROTO_TCP, name)
        for name in (
            socket.TCP_KEEPIDLE,
            socket.TCP_KEEPINTVL,
            socket.TCP_KEEPCNT,
            socket.TCP_USER_TIMEOUT,
        )
    }


def test_the_kernel_watches_connections_to_postgresql(postgresql_url: str, link: TcpProxy) -> None:
    url = make_url(postgresql_url).set(host="127.0.0.1", port=link.port, query={})
    with opened(url.render_as_string(hide_password=False)) as database:
        with database.read() as tx:
            raw = tx.connection.connection.driver_connection
            assert raw is not None
            with socket.fromfd(raw.fileno(), socket.AF_INET, socket.SOCK_STREAM) as connected:
                assert tcp_options(connected) == silence.of_tcp()
            assert raw.info.dsn_parameters["connect_timeout"] == "5"
        assert ask(database, "SHOW idle_in_transaction_session_timeout") == "30s"


def test_the_kernel_watches_connections_to_redis(redis_url: str) -> None:
    (place,) = (part for part in redis_url.split("@") if part.startswith("/"))
    with TcpProxy(Path(urlsplit(place).path)) as proxy:
        password = urlsplit(redis_url).password or ""
        settings = Settings.load(redis_url=links.redis_through(proxy, password))
        chosen = celery_settings(settings)
        with Connection(
            settings.celery_broker_url, transport_options=chosen["broker_transport_options"]
        ) as connection:
            channel = connection.default_channel
            with channel.conn_or_acquire() as client:
                pooled = client.connection_pool.get_connection()
                assert tcp_options(pooled._sock) == silence.of_tcp()


def test_what_the_address_says_counts() -> None:
    url = make_url("postgresql://h/d?tcp_user_timeout=1&options=-c%20tcp_user_timeout%3D2")
    chosen = silence.of_postgresql(url, "-c jit=off")
    assert "tcp_user_timeout" not in chosen
    assert chosen["keepalives_idle"] == silence.IDLE
    assert chosen["options"].startswith("-c jit=off ")
    assert chosen["options"].endswith(" -c tcp_user_timeout=2")


def test_a_silent_postgresql_is_given_up(database: Database, link: TcpProxy) -> None:
    """By who asks it something, and by who wants to connect."""
    ask(database)
    link.black_hole()
    began = time.monotonic()
    for _ in range(2):
        with pytest.raises(OperationalError):
            ask(database)
    assert time.monotonic() - began < GIVEN_UP_WITHIN
    link.heal()
    assert ask(database) == 1


def test_who_waits_for_the_answer_of_a_silent_postgresql_gives_up(
    postgresql_url: str, database: Database, link: TcpProxy, wait_until: Callable[..., None]
) -> None:
    runs = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(1000)'"
    with opened(postgresql_url) as nearby, ThreadPoolExecutor() as threads:
        waiting = threads.submit(ask, database, "SELECT pg_sleep(1000)")
        wait_until(lambda: ask(nearby, runs) == 1, what="it waits for the answer")
        link.black_hole()
        assert isinstance(waiting.exception(GIVEN_UP_WITHIN), OperationalError)


def test_postgresql_gives_back_what_a_silent_client_has_locked(
    postgresql_url: str, database: Database, link: TcpProxy
) -> None:
    with opened(postgresql_url) as nearby, nearby.transaction() as tx:
        tx.connection.exec_driver_sql("CREATE TABLE rows (id integer)")
        tx.connection.exec_driver_sql("INSERT INTO rows VALUES (1)")
    began = time.monotonic()
    with pytest.raises(OperationalError), database.transaction() as lost:
        lost.connection.exec_driver_sql("SELECT * FROM rows FOR UPDATE")
        link.black_hole()
        link.forget()
        with opened(postgresql_url) as nearby, nearby.transaction() as tx:
            tx.connection.exec_driver_sql("UPDATE rows SET id = 2")
    assert time.monotonic() - began < GIVEN_UP_WITHIN
