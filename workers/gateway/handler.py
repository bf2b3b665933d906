"""What the gateway answers to one connection of a program."""

import json
import socket
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpx2

from conductor_app import logs
from workers import strict_json
from workers.connectors.faults import Truncated
from workers.failures import AttemptFailed
from workers.gateway.account import GatewayAccount
from workers.gateway.forward import Forwarder
from workers.gateway.protocols import CALLS, FREE, Json, spoken_at

# The Messages API itself takes no more.
LARGEST_BODY = 32 << 20
# Python refuses to read very long numbers.
LONGEST_LENGTH = 20
# No honest request has so many objects and lists; each takes far more memory than bytes.
MOST_PARTS = 300_000
PIECE = 64 << 10


class _Refused(Exception):
    """A request that is not forwarded: the status, and why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Handler(BaseHTTPRequestHandler):
    """Admits by token, finds the provider, leaves the rest to a Forwarder."""

    protocol_version = "HTTP/1.1"
    # Seconds for which a connection may be idle.
    timeout = 600
    # Set by the gateway: the account of a token.
    admitted: Callable[[str], GatewayAccount | None]

    def setup(self) -> None:
        super().setup()
        if self.connection.family == socket.AF_INET:
            # Pieces go on as they come.
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)

    def handle_one_request(self) -> None:
        # Nothing is known yet of the connection's next answer.
        self._begun = self._chunked = False
        super().handle_one_request()

    def do_HEAD(self) -> None:
        """Claude Code asks this way whether anybody is there."""
        self.begin(200, {}, 0)

    def do_GET(self) -> None:
        self._refuse(404, "The gateway forwards calls of models only.")

    def do_POST(self) -> None:
        try:
            self._forward()
        except _Refused as refused:
            self._refuse(refused.status, refused.message)
        except AttemptFailed as failure:
            status, body, headers = spoken_at(self.path).refusal(failure)
            self._answer(status, body, headers)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        except UnicodeEncodeError:
            self._refuse(400, "The body has half a character, which is no text.")
        except (httpx2.HTTPError, Truncated):
            # Cut short at the provider: what is missing here tells the program so.
            self.close_connection = True
        except Exception as problem:
            logs.error("gateway_failed", error=problem)
            # Its body may not have been read, and is no next request.
            self.close_connection = True
            self._refuse(500, "The gateway failed; the worker's log says why.")

    def begin(self, status: int, headers: Mapping[str, str], length: int | None) -> None:
        self._begun = True
        self._chunked = length is None
        self.send_response_only(status)
        for name, value in headers.items():
            # A provider may say anything; for the sake of a header no answer is lost.
            if _speakable(value):
                self.send_header(name, value)
        if length is None:
            self.send_header("transfer-encoding", "chunked")
        else:
            self.send_header("content-length", str(length))
        self.end_headers()

    def piece(self, data: bytes) -> None:
        if self._chunked and data:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        elif data:
            self.wfile.write(data)

    def finish_answer(self) -> None:
        if self._chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _forward(self) -> None:
        path = self.path.partition("?")[0]
        length = self._length()
        account = self._account()
        if account is None:
            self._pass_over(length)
            raise _Refused(401, "This is no token of a running attempt.")
        with account.room:
            self._carry(account, path, self._body(length))

    def _carry(self, account: GatewayAccount, path: str, body: Json) -> None:
        protocol = CALLS.get(path) or FREE.get(path)
        if protocol is None:
            raise _Refused(404, f"The gateway has nothing at {path}.")
        upstream = account.upstream(protocol.name)
        if upstream is None:
            raise _Refused(404, f"No connector serves the {protocol.name} protocol here.")
        if not isinstance(body.get("model"), str):
            raise _Refused(400, "model: a string is required.")
        headers = {name.lower(): value for name, value in self.headers.items()}
        forwarder = Forwarder(account, upstream, protocol, self.path, headers)
        with account.in_call() as open_now:
            if not open_now:
                raise _Refused(401, "This attempt is over.")
            if path in CALLS:
                account.run(lambda: forwarder.call(body, _Connection(self)))
            else:
                forwarder.free(body, _Connection(self))

    def _account(self) -> GatewayAccount | None:
        bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
        return type(self).admitted(self.headers.get("x-api-key") or bearer)

    def _length(self) -> int:
        """Of the body, in bytes."""
        length = self.headers.get("content-length", "")
        if not length.isdecimal():
            self.close_connection = True
            raise _Refused(411, "content-length is required.")
        if len(length) > LONGEST_LENGTH or int(length) > LARGEST_BODY:
            self.close_connection = True
            raise _Refused(413, f"More than {LARGEST_BODY} bytes.")
        return int(length)

    def _pass_over(self, length: int) -> None:
        """A stranger's body: read for the connection's sake, without ever holding it whole."""
        while length > 0 and (piece := self.rfile.read(min(length, PIECE))):
            length -= len(piece)

    def _body(self, length: int) -> Json:
        """Read whatever comes of it, so that the connection can be used again."""
        data = self.rfile.read(length)
        if data.count(b"{") + data.count(b"[") > MOST_PARTS:
            raise _Refused(413, f"More than {MOST_PARTS:,} objects and lists.")
        try:
            found: Any = strict_json.loads(data)
        except (ValueError, RecursionError):
            raise _Refused(400, "The body is not JSON.") from None
        if not isinstance(found, dict):
            raise _Refused(400, "The body is not an object.")
        return found

    def _refuse(self, status: int, message: str) -> None:
        self._answer(status, spoken_at(self.path).error(status, message), {})

    def _answer(self, status: int, body: Json, headers: Mapping[str, str]) -> None:
        """Unless an answer has begun: then its missing end says that something went wrong."""
        if self._begun:
            self.close_connection = True
            return
        data = json.dumps(body).encode()
        try:
            self.begin(status, {"content-type": "application/json", **headers}, len(data))
            self.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    _begun = False
    _chunked = False

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: the account keeps a line of every call."""


def _speakable(header: str) -> bool:
    """Whether HTTP has letters for it."""
    try:
        header.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


class _Connection:
    """The handler's connection as a Forwarder writes to it."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.begin = handler.begin
        self.piece = handler.piece

    def finish(self) -> None:
        self._handler.finish_answer()
