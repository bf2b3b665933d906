"""How long a call to a model may wait: it looks up, while it waits, whether it still should."""

import select
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import httpcore2

# How often a waiting call looks up, in seconds.
_LOOK_UP = 0.2
# In bytes: so little that a socket with room for anything takes it whole.
_SLICE = 4 << 10
_threads = threading.local()


class Interrupted(Exception):
    """The call is not wanted any more, or has taken all of its time."""


@dataclass(frozen=True)
class Patience:
    """Until when (of `time.monotonic()`) and unless what a call may take."""

    cancelled: Callable[[], bool] = lambda: False
    deadline: float = float("inf")

    @property
    def over(self) -> bool:
        return self.cancelled() or time.monotonic() >= self.deadline

    @contextmanager
    def lasting(self) -> Iterator[Self]:
        """Of this thread's calls within the block none outlasts it; they raise Interrupted."""
        _threads.patience = self
        try:
            yield self
        finally:
            _threads.patience = None


def _look_up() -> None:
    patience: Patience | None = getattr(_threads, "patience", None)
    if patience is not None and patience.over:
        raise Interrupted


class PatientStream(httpcore2.NetworkStream):
    """A connection that looks up now and then while it reads or writes, however long that takes.

    A timeout of the SDKs is one between two bytes: neither pings nor drops would ever trip it.
    """

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        ends = float("inf") if timeout is None else time.monotonic() + timeout
        while True:
            _look_up()
            try:
                return self._stream.read(max_bytes, min(_LOOK_UP, timeout or _LOOK_UP))
            except httpcore2.ReadTimeout:
                if time.monotonic() >= ends:
                    raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """In slices, each when there is room for it: how much of one is gone nobody could say."""
        for start in range(0, len(buffer), _SLICE):
            self._await_room(timeout)
            self._stream.write(buffer[start : start + _SLICE], timeout)

    def _await_room(self, timeout: float | None) -> None:
        """Raises WriteTimeout when the other side has taken nothing for so long."""
        ends = float("inf") if timeout is None else time.monotonic() + timeout
        while True:
            _look_up()
            if _has_room(self._stream.get_extra_info("socket"), _LOOK_UP):
                return
            if time.monotonic() >= ends:
                raise httpcore2.WriteTimeout("timed out")

    def close(self) -> None:
        self._stream.close()

    def start_tls(self, *arguments: Any, **named: Any) -> "PatientStream":
        return PatientStream(self._stream.start_tls(*arguments, **named))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _has_room(connection: Any, seconds: float) -> bool:
    """Whether the socket takes more within so many seconds; of a closed one its write tells."""
    if connection is None or connection.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(connection, select.POLLOUT)
    return bool(poll.poll(1000 * seconds))


class PatientNetwork(httpcore2.NetworkBackend):
    """Makes such connections."""

    def __init__(self) -> None:
        self._network = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> PatientStream:
        try:
            _look_up()
        except Interrupted:
            # In the words of HTTP: nothing has been sent, so nothing is to be paid.
            raise httpcore2.ConnectTimeout("it is not wanted any more") from None
        return PatientStream(
            self._network.connect_tcp(host, port, timeout, local_address, socket_options)
        )
