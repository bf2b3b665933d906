"""Links between processes and their servers, through proxies that disturb them."""

from pathlib import Path

from sqlalchemy import make_url

from conductor_app.settings import Settings
from tests.fakes.tcp_proxy import TcpProxy

# conductor_app/silence.py, as much quicker as leases are in these tests; the kernel counts whole
# seconds.
SCALED_SILENCE = {
    "connect_timeout": "2",
    "keepalives_idle": "1",
    "keepalives_interval": "1",
    "tcp_user_timeout": "1500",
    "options": "-c idle_in_transaction_session_timeout=1500",
}


def to_postgresql(url: str) -> TcpProxy:
    """A proxy to the server that this URL reaches by a Unix socket."""
    (directory,) = make_url(url).normalized_query["host"]
    return TcpProxy(Path(directory) / ".s.PGSQL.5432")


def postgresql_through(proxy: TcpProxy, url: str) -> str:
    """The URL of the same database behind the proxy."""
    behind = make_url(url).set(host="127.0.0.1", port=proxy.port, query=SCALED_SILENCE)
    return behind.render_as_string(hide_password=False)


def to_redis(settings: Settings) -> TcpProxy:
    """A proxy to the embedded Redis server of these settings."""
    return TcpProxy(settings.redis_socket)


def redis_through(proxy: TcpProxy, password: str) -> str:
    return f"redis://:{password}@127.0.0.1:{proxy.port}/0"


def is_commit(message: bytes) -> bool:
    """Whether a client asks PostgreSQL to commit."""
    return message.endswith(b"COMMIT\0")
