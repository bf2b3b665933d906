"""A proxy on a TCP link that tests cut, black-hole, slow down, or make lose one message.

A black hole is one of the kernel's making: a filter on the proxy's own sockets drops every packet
before TCP sees it, so that nothing is acknowledged and new connections find nobody, as when a cable
is pulled or a firewall has forgotten the connection.
"""

import contextlib
import ctypes
import itertools
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

Target = tuple[str, int] | Path
Question = Callable[[bytes], bool]
CHUNK = 16384
# How long a cut waits for the threads of the connections.
SECONDS = 10.0
# From Linux' <asm-generic/socket.h>; the filter is one instruction: keep 0 bytes of the packet.
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
KEEP_NOTHING = struct.pack("HBBI", 0x06, 0, 0, 0)
# Closing a socket that lingers for 0 s sends RST, not FIN.
ABORT = struct.pack("ii", 1, 0)


class TcpProxy:
    """Listens on `port` of loopback for a server at an address or at a Unix socket."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._open: set[_Connection] = set()
        self._refusing = False
        # Cleared while nothing may travel towards clients.
        self._flowing = threading.Event()
        self._flowing.set()
        self._bytes_per_second: float | None = None
        self._request_is_lost: Question = _never
        self._answer_is_lost: Question = _never
        self.lost = 0
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._flowing.set()
        # What waits in accept() is woken by this, not by closing.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._reset()

    # What can happen to the link.

    def heal(self) -> None:
        """Everything passes again; what was held back arrives now."""
        with self._lock:
            self._refusing = False
            self._bytes_per_second = None
            self._request_is_lost = self._answer_is_lost = _never
            for each in (self._listener, *(one.client for one in self._open)):
                _hear(each)
            self._flowing.set()

    def cut(self) -> None:
        """Every connection is reset, and so is whoever connects."""
        self._refusing = True
        with self._lock:
            cut = list(self._open)
        self._reset()
        # A reset is sent when nobody here waits for the socket any more.
        for each in cut:
            each.closed.wait(SECONDS)

    def black_hole(self) -> None:
        """Nothing arrives, nothing is acknowledged, nobody is told."""
        with self._lock:
            self._flowing.clear()
            for each in (self._listener, *(one.client for one in self._open)):
                _deafen(each)

    def forget(self) -> None:
        """New connections pass; those there are stay in a black hole, and the server is not told.

        So does a firewall or a load balancer that has lost its table.
        """
        with self._lock:
            for each in self._open:
                each.forgotten = True
                _deafen(each.client)
            _hear(self._listener)
            self._flowing.set()

    def slow(self, bytes_per_second: float) -> None:
        """Each connection carries so much in each direction."""
        self._bytes_per_second = bytes_per_second

    def lose_request(self, question: Question) -> None:
        """What this is true of never reaches the server: the connection is reset instead."""
        self._request_is_lost = question

    def lose_answer(self, question: Question) -> None:
        """What this is true of reaches the server; in place of its answer comes a reset."""
        self._answer_is_lost = question

    # How it is done.

    def _reset(self) -> None:
        with self._lock:
            for each in self._open:
                each.abort()
            self._open.clear()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            connection = _Connection(client)
            if self._refusing or not connection.reach(self._target):
                connection.abort()
                continue
            with self._lock:
                self._open.add(connection)
                if not self._flowing.is_set():
                    _deafen(client)
            for pump in (self._to_server, self._to_client):
                threading.Thread(target=self._pump, args=(pump, connection), daemon=True).start()

    def _pump(self, pump: "Callable[[_Connection], None]", connection: "_Connection") -> None:
        try:
            pump(connection)
        except OSError:
            connection.abort()
        if connection.over() and not connection.forgotten:
            with self._lock:
                self._open.discard(connection)

    def _to_server(self, connection: "_Connection") -> None:
        while data := connection.client.recv(CHUNK):
            self._take_time(data)
            if self._request_is_lost(data):
                self.lost += 1
                return connection.abort()
            if self._answer_is_lost(data):
                connection.mute = True
            connection.server.sendall(data)
        connection.server.shutdown(socket.SHUT_WR)

    def _to_client(self, connection: "_Connection") -> None:
        while data := connection.server.recv(CHUNK):
            self._take_time(data)
            self._flowing.wait()
            if connection.mute:
                self.lost += 1
                return connection.abort()
            if not connection.forgotten:
                connection.client.sendall(data)
        connection.client.shutdown(socket.SHUT_WR)

    def _take_time(self, data: bytes) -> None:
        if self._bytes_per_second:
            time.sleep(len(data) / self._bytes_per_second)


class _Connection:
    """A client's connection and the one that the proxy has opened for it."""

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self.server = socket.socket()
        self.mute = False
        self.forgotten = False
        self.closed = threading.Event()
        self._ended = 0
        self._lock = threading.Lock()

    def reach(self, target: Target) -> bool:
        """Connect to the server; False when nobody listens there."""
        try:
            if isinstance(target, Path):
                self.server.close()
                self.server = socket.socket(socket.AF_UNIX)
                self.server.connect(str(target))
            else:
                self.server.connect(target)
        except OSError:
            return False
        return True

    def over(self) -> bool:
        """Whether both directions have ended, this call telling of one; then it is closed."""
        with self._lock:
            self._ended += 1
            if self._ended < 2:
                return False
        self.client.close()
        self.server.close()
        self.closed.set()
        return True

    def abort(self) -> None:
        """Reset both sides, and wake whoever waits for them."""
        for each in (self.client, self.server):
            with contextlib.suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
                each.shutdown(socket.SHUT_RD)
            each.close()


def every(number: int, question: Question) -> Question:
    """True about each so many-th time that the question is."""
    asked = itertools.count(1)
    return lambda data: question(data) and next(asked) % number == 0


def _never(_data: bytes) -> bool:
    return False


def _deafen(listening: socket.socket) -> None:
    instruction = ctypes.create_string_buffer(KEEP_NOTHING, len(KEEP_NOTHING))
    program = struct.pack("HL", 1, ctypes.addressof(instruction))
    # A socket that has been closed meanwhile hears nothing either.
    with contextlib.suppress(OSError):
        listening.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def _hear(listening: socket.socket) -> None:
    # One that was never made deaf has no filter to detach.
    with contextlib.suppress(OSError):
        listening.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
