"""The HTTP connections of the providers' SDKs: patient, through the proxy that the machine uses."""

import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import httpcore2
import httpx2

from workers.connectors.patience import PatientNetwork
from workers.failures import AttemptFailed, FailureKind

# Connections that are idle are kept open for the next turn; how many may work is the slots' affair.
_IDLE_CONNECTIONS = 100
_KEEPALIVE_SECONDS = 60.0
# A peer that is gone without a word is noticed.
_SOCKET_OPTIONS = ((socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),)


def http_client(base_url: str) -> httpx2.Client:
    """A client for the SDKs. It follows no redirect: that could carry the key elsewhere."""
    return httpx2.Client(
        transport=PatientTransport(base_url), follow_redirects=False, trust_env=False
    )


class PatientTransport(httpx2.BaseTransport):
    """Requests through a pool of patient connections."""

    def __init__(self, base_url: str) -> None:
        self._pool = httpcore2.ConnectionPool(
            ssl_context=httpx2.create_ssl_context(),
            proxy=_proxy(httpx2.URL(base_url)),
            max_connections=None,
            max_keepalive_connections=_IDLE_CONNECTIONS,
            keepalive_expiry=_KEEPALIVE_SECONDS,
            network_backend=PatientNetwork(),
            socket_options=_SOCKET_OPTIONS,
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        asked = httpcore2.Request(
            method=request.method,
            url=httpcore2.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=cast(httpx2.SyncByteStream, request.stream),
            extensions=request.extensions,
        )
        with _in_words_of_httpx():
            answer = self._pool.handle_request(asked)
        return httpx2.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_Body(answer),
            extensions=answer.extensions,
        )

    def close(self) -> None:
        self._pool.close()


class _Body(httpx2.SyncByteStream):
    """The bytes of an answer as they come."""

    def __init__(self, answer: httpcore2.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        with _in_words_of_httpx():
            yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


@contextmanager
def _in_words_of_httpx() -> Iterator[None]:
    """The SDKs know the errors of httpx2; those of httpcore2 have the same names."""
    try:
        yield
    except Exception as error:
        same = getattr(httpx2, type(error).__name__, None)
        if same is None or type(error).__module__ != httpcore2.__name__:
            raise
        raise same(str(error)) from error


def _proxy(url: httpx2.URL) -> httpcore2.Proxy | None:
    """The HTTP proxy that this machine is set up to reach the address by."""
    proxies = urllib.request.getproxies()
    address = proxies.get(url.scheme) or proxies.get("all")
    if address is None or urllib.request.proxy_bypass(url.host):
        return None
    # As other programs have it, whose proxies need not be called `http://` either.
    try:
        proxy = httpx2.URL(address if "://" in address else f"http://{address}")
        usable = proxy.scheme in ("http", "https") and bool(
            proxy.host and (proxy.port or 1) < 1 << 16
        )
    except (httpx2.InvalidURL, ValueError):
        usable = False
    if not usable:
        raise AttemptFailed(
            FailureKind.BAD_REQUEST,
            f"The proxy of this machine's environment can't be used for {url.scheme}: it has to be "
            f"http://HOST:PORT. Correct {url.scheme}_proxy or all_proxy where the workers run, or "
            "name the address in no_proxy.",
            retryable=False,
            unspent=True,
        )
    auth = (proxy.username, proxy.password) if proxy.username else None
    return httpcore2.Proxy(str(proxy.copy_with(username=None, password=None)), auth)
