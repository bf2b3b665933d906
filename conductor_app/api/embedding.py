"""Puts the API beside what a host application serves, so that neither disturbs the other."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PREFIX = "/api/v1"


def embed(host: Flask, api: Flask) -> None:
    """Requests below /api/v1 go to the API, with its own errors, limits and headers."""
    # Flask documents replacing the attribute; its type says method.
    host.wsgi_app = _beside(host.wsgi_app, api.wsgi_app)  # type: ignore[method-assign]


def _beside(host: "WSGIApplication", api: "WSGIApplication") -> Callable[..., Iterable[bytes]]:
    def serve(environ: "WSGIEnvironment", start_response: "StartResponse") -> Any:
        path = environ.get("PATH_INFO", "")
        ours = path == PREFIX or path.startswith(f"{PREFIX}/")
        return (api if ours else host)(environ, start_response)

    return serve
