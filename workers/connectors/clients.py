"""The providers' SDK clients of this process: made on first use, shared by its threads, closed."""

import atexit
import os
import threading
from collections.abc import Callable
from platform import node
from typing import Any, Protocol, TypeVar, cast

import httpx2

from conductor_app import connector_keys
from conductor_app.connector_readiness import is_this_machine
from conductor_app.connector_settings import ModelSettings
from conductor_app.errors import InvalidSettings
from workers.connectors.transport import http_client
from workers.failures import AttemptFailed, FailureKind


class Client(Protocol):
    """What the SDKs' clients have in common."""

    def close(self) -> None: ...


C = TypeVar("C", bound=Client)

# By process as well: a connection that a parent opened must not be used on both sides of a fork.
_clients: dict[tuple[Any, ...], Client] = {}
_lock = threading.Lock()


def of(settings: ModelSettings, make: Callable[[str, str, httpx2.Client], C]) -> C:
    """The client for these settings, made by `make(key, base_url, http)`. Raises AttemptFailed
    without a key.

    The address and the key are always given to it: no variable of the environment may choose.
    """
    require_permission(settings)
    key = require_key(settings)
    wanted = (os.getpid(), make, settings.base_url, key)
    with _lock:
        if wanted not in _clients:
            http = http_client(settings.base_url)
            _clients[wanted] = make(key, settings.base_url, http)
        return cast(C, _clients[wanted])


def require_permission(settings: ModelSettings) -> None:
    """Raises AttemptFailed where only model servers on this machine may be called."""
    if not settings.live_calls and not is_this_machine(httpx2.URL(settings.base_url).host):
        raise AttemptFailed(
            FailureKind.BAD_REQUEST,
            f"CONDUCTOR_LIVE_CALLS is false, so {settings.base_url} is not called. "
            f"Unset it, or give `connectors: {settings.connector}:` the base_url of a model server "
            "on this machine.",
            retryable=False,
            unspent=True,
        )


def require_key(settings: ModelSettings) -> str:
    """The key in clear, for the SDK alone. Raises AttemptFailed, which says how to give one."""
    try:
        found = settings.key
    except InvalidSettings as problem:
        raise _no_key(problem.message) from None
    if found is None:
        advice = connector_keys.advice(settings.connector)
        # Another worker may have it.
        raise _no_key(f"The connector {settings.connector} has no key on {node()}. {advice}")
    return found.secret.get_secret_value()


def open_here() -> int:
    """How many clients this process has."""
    return sum(each[0] == os.getpid() for each in _clients)


def close_all() -> None:
    """Close the clients of this process."""
    with _lock:
        for wanted in [each for each in _clients if each[0] == os.getpid()]:
            _clients.pop(wanted).close()


def _no_key(message: str) -> AttemptFailed:
    return AttemptFailed(FailureKind.CREDENTIALS, message, retryable=False, unspent=True)


def _renew_lock() -> None:
    """Another thread may have held it when this process was forked off."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)
atexit.register(close_all)
