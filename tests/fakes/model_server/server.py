"""The HTTP server: addresses to scenarios, routes to protocols, replies and faults to bytes."""

import json
import select
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.fakes.model_server.chat import Chat
from tests.fakes.model_server.faults import Fault
from tests.fakes.model_server.messages import Messages
from tests.fakes.model_server.models import descriptions
from tests.fakes.model_server.responses import Responses
from tests.fakes.model_server.scenarios import BUILT_IN
from tests.fakes.model_server.space import Request, Space, Taken, input_of
from tests.fakes.model_server.wire import Draft, Event, Rejected, Wire

ROUTES: dict[str, Wire] = {
    "v1/messages": Messages(),
    "v1/responses": Responses(),
    "responses": Responses(),
    "v1/chat/completions": Chat(),
    "chat/completions": Chat(),
}
COUNTING: dict[str, Wire] = {
    "v1/messages/count_tokens": Messages(),
    "v1/responses/input_tokens": Responses(),
    "responses/input_tokens": Responses(),
}
BROKEN = '{"id": "msg_1", "content": [{"type": "te'


class ModelServer(ThreadingHTTPServer):
    """Listens on the loopback; its default space has no name in its addresses."""

    daemon_threads = True
    request_queue_size = 512
    # Seconds that `shutdown` may wait.
    poll_seconds = 0.05

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.address = f"http://127.0.0.1:{self.server_address[1]}"
        self.closing = threading.Event()
        self._spaces: dict[str, Space] = {"": Space("", self.address)}
        self._names = (f"t{number}" for number in count(1))

    @property
    def default(self) -> Space:
        return self._spaces[""]

    @contextmanager
    def space(self) -> Iterator[Space]:
        """A space of its own, forgotten afterwards."""
        name = next(self._names)
        self._spaces[name] = Space(name, self.address)
        yield self._spaces[name]
        del self._spaces[name]

    def find(self, address: str) -> tuple[Space, str] | None:
        """The space that an address names, and the rest of the address."""
        name, _, rest = address.partition(".") if "." in address else ("", "", address)
        space = self._spaces.get(name)
        return (space, rest) if space and space.knows(rest.partition("!")[0]) else None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of the server."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def running(port: int = 0) -> Iterator[ModelServer]:
    """The server in threads of this process."""
    server = ModelServer(port)
    thread = threading.Thread(target=server.serve_forever, args=(server.poll_seconds,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ModelServer
    # Whole replies leave in one packet, and none waits for another.
    wbufsize = 1 << 16
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._send_json(200, {})

    def do_GET(self) -> None:
        address, route = self._where
        if address == "ledger":
            ledger = self.server.default.ledger
            models = {model: asdict(found) for model, found in ledger.by_model.items()}
            return self._send_json(200, {"total": asdict(ledger.total), "by_model": models})
        if not self.server.find(address):
            return self._send_nobody(address)
        kind, _, wanted = route.removeprefix("v1/").partition("/")
        if kind != "models":
            return self._send_json(404, {"error": {"message": f"no such page: {route}"}})
        return self._send_models(wanted)

    def do_POST(self) -> None:
        data = self._read_body()
        address, route = self._where
        found = self.server.find(address)
        if found is None:
            return self._send_nobody(address)
        space, scenario = found
        request = space.record(scenario, self.path, self._headers, _parsed(data))
        if wire := COUNTING.get(route):
            return self._send_count(space, wire, request, len(data))
        if wire := ROUTES.get(route):
            return self._send_taken(wire, space.take(wire, scenario, request, len(data)), space)
        return self._send_json(404, {"error": {"message": f"no such page: {route}"}})

    @property
    def _where(self) -> tuple[str, str]:
        address, _, route = unquote(urlsplit(self.path).path).strip("/").partition("/")
        return address, route

    @property
    def _headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def _read_body(self) -> bytes:
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        data = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def _send_taken(self, wire: Wire, taken: Taken, space: Space) -> None:
        standing = space.limits.standing()
        self._more = wire.headers(taken.request.request_id, standing)
        draft, fault = taken.draft, taken.fault
        if draft is None:
            assert fault
            return self._send_error(wire, taken.request, fault)
        if draft.reply.delay:
            self.server.closing.wait(draft.reply.delay)
        if fault and fault.before:
            return self._send_nothing_right(fault, draft)
        if draft.ask.stream:
            return self._send_stream(wire, draft, fault)
        return self._send_whole(wire, taken.request, draft, fault)

    def _send_error(self, wire: Wire, request: Request, fault: Fault) -> None:
        assert fault.status
        self._more |= fault.headers
        request.status = fault.status
        if fault.body is not None:
            return self._send(fault.status, fault.body)
        self._send_json(fault.status, wire.error(fault, request.request_id))

    def _send_nothing_right(self, fault: Fault, draft: Draft) -> None:
        """The faults that come before a reply's first word."""
        if fault.before == "no-reply":
            self._hold()
        if fault.before in ("no-reply", "closed"):
            return self._cut()
        if fault.before == "empty-stream":
            return self._send_events([], draft) if draft.ask.stream else self._send_json(200, {})
        broken = f"event: message_start\ndata: {BROKEN}\n\n" if draft.ask.stream else BROKEN
        kind = "text/event-stream" if draft.ask.stream else "application/json"
        self._more["content-type"] = kind
        self._send(200, broken.encode())

    def _send_whole(self, wire: Wire, request: Request, draft: Draft, fault: Fault | None) -> None:
        whole = wire.whole(draft)
        if fault is None:
            return self._send_json(200, whole)
        if fault.status:
            return self._send_error(wire, request, fault)
        if fault.during == "truncated":
            return self._send_json(200, wire.unfinished(whole))
        data = json.dumps(whole).encode()
        half = int(len(data) * min(fault.after, 0.9))
        self._start(200, {"content-length": str(len(data)), "content-type": "application/json"})
        self.wfile.write(data[:half])
        self.wfile.flush()
        if fault.during == "stall":
            self._hold()
        if fault.during != "drip":
            return self._cut()
        self.server.closing.wait(fault.pause)
        self.wfile.write(data[half:])

    def _send_stream(self, wire: Wire, draft: Draft, fault: Fault | None) -> None:
        stream = wire.stream(draft)
        if fault is None or fault.during == "drip":
            return self._send_events(stream.events, draft, fault.pause if fault else 0)
        sent = list(stream.content[: max(int(len(stream.content) * fault.after), 1)])
        if fault.during in ("stall", "cut"):
            self._send_events(sent, draft, ends=False)
            if fault.during == "stall":
                self._hold()
            return self._cut()
        if fault.during != "truncated":
            sent += wire.error_events(fault, draft, len(sent))
        self._send_events(sent, draft)

    def _send_events(
        self, events: list[Event], draft: Draft, pause: float = 0, ends: bool = True
    ) -> None:
        """Each event is a chunk; `ends`: the last chunk, that says so, is sent as well."""
        headers = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
        self._start(200, {**headers, "transfer-encoding": "chunked"})
        for event in events:
            data = event.encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
            if pause:
                self.wfile.flush()
                self.server.closing.wait(pause)
        if ends:
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _send_count(self, space: Space, wire: Wire, request: Request, size: int) -> None:
        self._more = wire.headers(request.request_id, space.limits.standing())
        if isinstance(request.body, dict):
            request.body = {"max_tokens": 1, **request.body}
        try:
            space.admit(wire, request, size)
        except Rejected as rejected:
            return self._send_error(wire, request, rejected.fault)
        request.status = 200
        counted: dict[str, Any] = {"input_tokens": input_of(wire, request.body).total}
        if wire.name == "responses":
            counted = {"object": "response.input_tokens", **counted}
        self._send_json(200, counted)

    def _send_models(self, wanted: str) -> None:
        """One model, or all, as the client's provider lists them."""
        known = descriptions(anthropic="anthropic-version" in self.headers)
        if not wanted:
            page = {"has_more": False, "first_id": min(known), "last_id": max(known)}
            return self._send_json(200, {"object": "list", "data": [*known.values()], **page})
        if wanted in known:
            return self._send_json(200, known[wanted])
        error = {"type": "not_found_error", "message": f"model: {wanted}"}
        return self._send_json(404, {"type": "error", "error": error})

    def _send_nobody(self, address: str) -> None:
        named = ", ".join(sorted(BUILT_IN))
        message = f"no scenario {address!r} was registered; built in are {named}"
        error = {"type": "not_found_error", "message": message}
        self._send_json(404, {"type": "error", "error": error})

    def _send_json(self, status: int, value: Any) -> None:
        self._send(status, json.dumps(value).encode())

    def _send(self, status: int, data: bytes) -> None:
        kind = self._more.pop("content-type", "application/json")
        self._start(status, {"content-type": kind, "content-length": str(len(data))})
        if self.command != "HEAD":
            self.wfile.write(data)

    @cached_property
    def _more(self) -> dict[str, str]:
        """Headers that the reply has besides."""
        return {}

    def _start(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**self._more, **headers}.items():
            self.send_header(name, value)
        self._more = {}
        self.end_headers()

    def _hold(self) -> None:
        """Until the client leaves or the server ends."""
        while not self.server.closing.is_set():
            readable, _, _ = select.select([self.connection], [], [], 0.05)
            if readable:
                return

    def _cut(self) -> None:
        """The connection ends here, whatever was promised."""
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data
