"""The client for a project's service: loopback only, no proxy, no redirect, and never too late."""

import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import quote

from workers.ports import HOST

BODY_BYTES = 2_000_000
# Of a path only what no URL may hold is escaped; what the check has escaped stays.
KEPT_IN_PATHS = "/%:?[]@!$&'()*+,;=~-._"


class NoAnswer(Exception):
    """The service did not answer a request; the text says how."""


@dataclass(frozen=True)
class Answer:
    """`json` is the parsed body; None also when the body is no JSON. `seconds` to the last byte."""

    status: int
    text: str
    json: Any
    seconds: float


def send(
    port: int,
    method: str,
    path: str,
    *,
    deadline: float,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """The answer to one request, on a connection of its own. Raises NoAnswer.

    `deadline` (time.monotonic) holds for the whole exchange, also with a service that drips.
    """
    if not path.startswith("/"):
        raise NoAnswer(f"{path!r} is not a path of the service; a path begins with /")
    started = time.monotonic()
    connection = _Connection(port, deadline)
    try:
        connection.request(method, quote(path, KEPT_IN_PATHS), body, _headers(body, headers or {}))
        response = connection.getresponse()
        content = response.read(BODY_BYTES + 1)
    except TimeoutError as error:
        raise NoAnswer("no answer before the time was over") from error
    except (OSError, HTTPException, ValueError) as error:
        raise NoAnswer(f"no answer: {type(error).__name__}: {error}") from error
    finally:
        connection.close()
    if len(content) > BODY_BYTES:
        raise NoAnswer(f"the body is longer than {BODY_BYTES} bytes")
    text = content.decode(errors="replace")
    return Answer(response.status, text, _parsed(text), time.monotonic() - started)


def encoded(document: Any) -> bytes:
    """A JSON request body."""
    return json.dumps(document).encode()


class _Connection(HTTPConnection):
    def __init__(self, port: int, deadline: float) -> None:
        super().__init__(HOST, port)
        self._deadline = deadline

    def connect(self) -> None:
        self.sock = _TimedSocket(self._deadline)
        self.sock.settimeout(self.sock.left())
        self.sock.connect((self.host, self.port))


class _TimedSocket(socket.socket):
    """Waits for data until the deadline, not anew for every byte."""

    def __init__(self, deadline: float) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_STREAM)
        self._deadline = deadline

    def left(self) -> float:
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds

    def recv_into(self, *arguments: Any) -> int:
        self.settimeout(self.left())
        return super().recv_into(*arguments)


def _headers(body: bytes | None, headers: Mapping[str, str]) -> dict[str, str]:
    content = {"Content-Type": "application/json"} if body is not None else {}
    return {"Accept": "*/*", "Connection": "close", **content, **headers}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
