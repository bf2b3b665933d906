"""An attempt at the gateway: whose keys it uses, which budget pays, what it has used so far."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import copy_context
from pathlib import Path
from secrets import token_urlsafe
from socket import SHUT_RDWR, socket
from typing import Any

import httpx2

from conductor_app import masking
from conductor_app.connector_settings import ModelSettings
from workers import artifacts
from workers.connectors.transport import http_client
from workers.failures import AttemptFailed
from workers.gateway.meter import CallMeter
from workers.turns import Usage

# A line for each call of a model, in the attempt's artifacts.
CALLS_FILE = "calls.jsonl"
# Seconds: a provider may think for long before it says its first word.
SILENCE = httpx2.Timeout(connect=10, read=300, write=60, pool=10)
SETTLE_SECONDS = 5.0
MOST_AT_ONCE = 16


class GatewayAccount:
    """Admits one attempt by its token until it is closed; safe to use from many threads.

    `upstreams` are the connectors that the gateway calls as, by protocol. `spent` is called with
    each call's usage, priced where the price is known. `failure` is the last reason for which a
    call came to nothing: the program may say it in its own words, or not at all.
    """

    def __init__(
        self,
        upstreams: Mapping[str, ModelSettings],
        meter: CallMeter,
        folder: Path,
        spent: Callable[[Usage], None],
    ) -> None:
        self.token = token_urlsafe(32)
        masking.know(self.token)
        self.meter = meter
        # So many of its requests are held at once; others wait for their turn.
        self.room = threading.BoundedSemaphore(MOST_AT_ONCE)
        self.failure: AttemptFailed | None = None
        self._upstreams = upstreams
        self._file = folder / CALLS_FILE
        self._spent = spent
        self._state = threading.Condition()
        self._calls = 0
        self._closed = False
        self._sockets: set[socket] = set()
        self._clients: dict[str, httpx2.Client] = {}
        self._context = copy_context()

    def upstream(self, protocol: str) -> ModelSettings | None:
        return self._upstreams.get(protocol)

    def client(self, upstream: ModelSettings) -> httpx2.Client:
        """The connections to this provider; raises AttemptFailed where there can be none."""
        with self._state:
            if upstream.base_url not in self._clients:
                self._clients[upstream.base_url] = http_client(upstream.base_url)
            return self._clients[upstream.base_url]

    def failed(self, failure: AttemptFailed) -> None:
        """A call came to nothing; when the attempt itself had it cut, that is no reason."""
        if not self._closed:
            self.failure = failure

    def went_well(self, before: AttemptFailed | None) -> None:
        """A call that began after that failure; one that came since is another call's."""
        if self.failure is before:
            self.failure = None

    @contextmanager
    def in_call(self) -> Iterator[bool]:
        """Whether the attempt still runs; until the block is left, `close` waits for it."""
        with self._state:
            open_now = not self._closed
            self._calls += open_now
        try:
            yield open_now
        finally:
            with self._state:
                self._calls -= open_now
                self._state.notify_all()

    def run(self, work: Callable[[], None]) -> None:
        """What is logged and traced of this call is the attempt's, whose thread is another."""
        self._context.copy().run(work)

    def closed_within(self, seconds: float) -> bool:
        """Waits so long; whether the attempt ended meanwhile."""
        with self._state:
            return self._state.wait_for(lambda: self._closed, seconds)

    def record(self, entry: Mapping[str, Any], usage: Usage | None) -> None:
        """Keep a line of the call, and count what it used."""
        with self._state:
            if usage is not None:
                self._spent(usage)
            artifacts.append(self._file, [entry])

    def watch(self, event: str, info: Mapping[str, Any]) -> None:
        """Told by the client of what it does; keeps the connections, to be able to cut them."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            connection = info["return_value"].get_extra_info("socket")
            with self._state:
                self._sockets.add(connection)
                if self._closed:
                    _cut(connection)

    def close(self) -> None:
        """No more calls; those under way are cut, and have been accounted for when this returns."""
        with self._state:
            self._closed = True
            self._state.notify_all()
            for connection in self._sockets:
                _cut(connection)
            deadline = time.monotonic() + SETTLE_SECONDS
            while self._calls and (left := deadline - time.monotonic()) > 0:
                self._state.wait(left)
        for client in self._clients.values():
            client.close()
        masking.forget(self.token)


def _cut(connection: socket) -> None:
    with suppress(OSError):
        connection.shutdown(SHUT_RDWR)
