"""The gateway's server: a port of 127.0.0.1 and a Unix socket, a thread per connection."""

import atexit
import os
import shutil
import socketserver
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import ThreadingHTTPServer
from pathlib import Path

from workers.gateway.account import GatewayAccount
from workers.gateway.handler import Handler


class _OnPort(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    # A program's neighbour must not be able to listen beside it.
    allow_reuse_port = False


class _OnSocket(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False


class Gateway:
    """Serves the attempts of this process until it is closed; started when it is made."""

    def __init__(self) -> None:
        self._accounts: dict[str, GatewayAccount] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="conductor-gateway-"))
        handler = type("GatewayHandler", (Handler,), {"admitted": self._accounts.get})
        self._servers: tuple[socketserver.BaseServer, ...] = (
            _OnPort(("127.0.0.1", 0), handler),
            _OnSocket(str(self._folder / "socket"), handler),
        )
        self.port: int = self._servers[0].server_address[1]
        for server in self._servers:
            threading.Thread(target=server.serve_forever, name="model gateway", daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def door(self) -> tuple[int, Path]:
        """What the sandbox lets a program reach of it."""
        return self.port, self._folder / "socket"

    @contextmanager
    def admitting(self, account: GatewayAccount) -> Iterator[None]:
        """The account's token is good inside the block; after it all is accounted for."""
        self._accounts[account.token] = account
        try:
            yield
        finally:
            del self._accounts[account.token]
            account.close()

    def close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
        shutil.rmtree(self._folder, ignore_errors=True)


@cache
def _of_process(pid: int) -> Gateway:
    made = Gateway()
    # Not by a process that is forked off later: it has the same list of what to do at its end.
    atexit.register(lambda: made.close() if os.getpid() == pid else None)
    return made


def gateway() -> Gateway:
    """This process's own, started when it is first needed."""
    return _of_process(os.getpid())
