"""Speaks with the API that runs on this machine: everything that changes something goes here."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import requests

from conductor_app.errors import ConductorError, Unreachable
from conductor_app.ids import new_id
from conductor_app.settings import Settings
from conductor_app.stack import embedded
from conductor_app.stack.embedded import RunningStack

ANSWER_SECONDS = 30.0
POLL_SECONDS = 0.25
NOT_RUNNING = "Conductor is not running on {home}. Start it with `conductor up`, and try again."
# Statuses of an API that is just being brought back, and answers in a moment.
AWAY = (502, 503, 504)
EXIT_CODES = {400: 2, 415: 2, 422: 2, 503: 3}


class ApiRefused(ConductorError):
    """The API refused; code, message and details are its own."""

    def __init__(self, status: int, error: dict[str, Any]) -> None:
        super().__init__(str(error.get("message") or f"The API answered with status {status}."))
        self.code = str(error.get("code") or "refused")
        self.details = dict(error.get("details") or {})
        self.status = status
        self.exit_code = EXIT_CODES.get(status, 1)


@dataclass(frozen=True)
class Answer:
    """What the API said: a sentence, and what it found or did."""

    message: str
    data: Any


class Api:
    """The API under one address. `patience` is how many seconds it may be away.

    `locate` says where it is at the moment, None while it is nowhere: who listens on a port that
    it had must not be told the token.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        patience: float = 0.0,
        locate: Callable[[], str | None] | None = None,
    ) -> None:
        self._url = url
        self._locate = locate or (lambda: url)
        self._patience = patience
        self._session = requests.Session()
        # No proxy stands between this machine and itself, whatever the environment says.
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, **query: Any) -> Answer:
        """Raises ApiRefused, Unreachable."""
        return self._ask("GET", path, params=query)

    def post(self, path: str, body: dict[str, Any] | None = None) -> Answer:
        """Do something once, however often it must be sent. Raises ApiRefused, Unreachable."""
        return self._ask("POST", path, json=body or {}, headers={"Idempotency-Key": new_id()})

    def patch(self, path: str, body: dict[str, Any]) -> Answer:
        """The same for what is there already."""
        return self._ask("PATCH", path, json=body, headers={"Idempotency-Key": new_id()})

    def delete(self, path: str) -> Answer:
        """Take away what is there. Raises ApiRefused, Unreachable."""
        return self._ask("DELETE", path, headers={"Idempotency-Key": new_id()})

    def _ask(self, method: str, path: str, **options: Any) -> Answer:
        deadline = time.monotonic() + self._patience
        while True:
            response = self._send(method, path, **options)
            late = time.monotonic() > deadline
            if response is not None and (late or response.status_code not in AWAY):
                return _answer(response)
            if late:
                raise Unreachable(
                    f"The API at {self._url} does not answer. See how Conductor is with "
                    "`conductor doctor`, and start it with `conductor up`."
                )
            time.sleep(POLL_SECONDS)

    def _send(self, method: str, path: str, **options: Any) -> requests.Response | None:
        """What was answered; None when nobody did who may be asked."""
        url = self._locate()
        if url is None:
            return None
        self._url = url
        try:
            return self._session.request(
                method, f"{url}/api/v1/{path}", timeout=ANSWER_SECONDS, **options
            )
        except (requests.ConnectionError, requests.Timeout):
            return None


def api_of(stack: RunningStack, settings: Settings, *, patience: float) -> Api:
    """The API of the stack on this data directory, also after it came back on another port."""

    def locate() -> str | None:
        running = embedded.find(stack.home)
        return running.url if running and running.has_its_port() else None

    return Api(stack.url, settings.api_token(), patience=patience, locate=locate)


def running_api(settings: Settings) -> Api:
    """The API of the stack on this data directory, or where the settings say one listens.

    Raises Unreachable when neither is there.
    """
    if stack := embedded.find(settings.home):
        return api_of(stack, settings, patience=10)
    # The token of the data directory is for its own API; for others a person has chosen one.
    if settings.token is None:
        raise Unreachable(NOT_RUNNING.format(home=settings.home))
    elsewhere = RunningStack(settings.home, settings.host, settings.port)
    return Api(elsewhere.url, settings.api_token())


def _answer(response: requests.Response) -> Answer:
    try:
        told = response.json()
        if response.ok:
            return Answer(told["message"], told["data"])
        error = told["error"]
    except (requests.JSONDecodeError, KeyError, TypeError) as problem:
        raise Unreachable(
            f"What answers at {response.url} (status {response.status_code}) is not Conductor's "
            "API. Another program may have its port; `conductor doctor` says more."
        ) from problem
    raise ApiRefused(response.status_code, error)
