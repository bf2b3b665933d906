"""The client for a service under check: loopback, no proxies, no redirects, bounded answers."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import requests

from workers.services import RunningService

BODY_BYTES = 2_000_000
CHUNK = 65_536
# A single answer may not take longer than this even when the check has more time.
REQUEST_SECONDS = 30.0


class NoAnswer(Exception):
    """The service did not answer a request; the text says how."""


@dataclass(frozen=True)
class Answer:
    """`json` is the parsed body; None also when the body is no JSON."""

    status: int
    text: str
    json: Any
    seconds: float


class Client:
    """Sends requests to one service, until `deadline` (time.monotonic)."""

    def __init__(self, service: RunningService, deadline: float) -> None:
        self._url = service.url
        self._deadline = deadline
        self._session = requests.Session()
        # Neither proxies nor credentials of the worker's user.
        self._session.trust_env = False

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._session.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer to one request. Raises NoAnswer."""
        if not path.startswith("/"):
            raise NoAnswer(f"{path!r} is not a path of the service; a path begins with /")
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise NoAnswer("the check's time is over")
        started = time.monotonic()
        try:
            return self._exchange(method, path, body, dict(headers or {}), started, left)
        except requests.RequestException as error:
            raise NoAnswer(f"no answer: {type(error).__name__}: {error}") from error

    def _exchange(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: dict[str, str],
        started: float,
        left: float,
    ) -> Answer:
        if body is not None:
            headers = {"Content-Type": "application/json", **headers}
        with self._session.request(
            method,
            self._url + path,
            data=body,
            headers=headers,
            timeout=min(left, REQUEST_SECONDS),
            allow_redirects=False,
            stream=True,
        ) as response:
            text = self._read(response).decode(errors="replace")
            return Answer(response.status_code, text, _parsed(text), time.monotonic() - started)

    def _read(self, response: requests.Response) -> bytes:
        """The body; an endless or dripping one ends the request."""
        content = b""
        for chunk in response.iter_content(CHUNK):
            content += chunk
            if len(content) > BODY_BYTES:
                raise NoAnswer(f"the body is longer than {BODY_BYTES} bytes")
            if time.monotonic() > self._deadline:
                raise NoAnswer("the check's time was over before the whole body had come")
        return content


def encoded(document: Any) -> bytes:
    """A JSON request body."""
    return json.dumps(document).encode()


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
