"""How soon a connection on which nothing arrives any more is given up, at both of its ends.

A cable that is pulled, a machine that stops, a firewall that forgets: nobody says so, and by
default the kernel waits for it for hours. Here that takes at most half of the default lease, 15 s,
so that a worker finds another way to its servers while it still holds its jobs.
"""

import socket
from typing import Any

from sqlalchemy import URL

# In seconds: to connect; until the kernel asks a silent peer, and between its questions; until
# what was sent must be acknowledged. After two questions without an answer it is over.
CONNECT = 5
IDLE = 5
INTERVAL = 5
QUESTIONS = 2
UNACKNOWLEDGED = 15
# An open transaction whose client says nothing locks rows for nobody. As long as a lease: then its
# jobs are somebody else's anyway.
IDLE_TRANSACTION = 30

POSTGRESQL_CLIENT = {
    "connect_timeout": CONNECT,
    "keepalives_idle": IDLE,
    "keepalives_interval": INTERVAL,
    "keepalives_count": QUESTIONS,
    "tcp_user_timeout": UNACKNOWLEDGED * 1000,
}
POSTGRESQL_SERVER = {
    "tcp_keepalives_idle": IDLE,
    "tcp_keepalives_interval": INTERVAL,
    "tcp_keepalives_count": QUESTIONS,
    "tcp_user_timeout": UNACKNOWLEDGED * 1000,
    "idle_in_transaction_session_timeout": IDLE_TRANSACTION * 1000,
}
# Of the socket options not every system has every one.
TCP = {
    "TCP_KEEPIDLE": IDLE,
    "TCP_KEEPINTVL": INTERVAL,
    "TCP_KEEPCNT": QUESTIONS,
    "TCP_USER_TIMEOUT": UNACKNOWLEDGED * 1000,
}


def of_postgresql(url: URL, *options: str) -> dict[str, Any]:
    """The arguments of psycopg2's connect for this address, with these options of the server.

    What the address itself says about any of them counts.
    """
    client = {name: value for name, value in POSTGRESQL_CLIENT.items() if name not in url.query}
    server = (f"-c {name}={value}" for name, value in POSTGRESQL_SERVER.items())
    # Of two values for one name the server takes the later one.
    chosen = url.normalized_query.get("options", ())
    return {**client, "options": " ".join((*options, *server, *chosen))}


def of_tcp() -> dict[int, int]:
    """The options of a TCP socket, by their number."""
    return {getattr(socket, name): value for name, value in TCP.items() if hasattr(socket, name)}
