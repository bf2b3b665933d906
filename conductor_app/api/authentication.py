"""Who may call: everybody for what is open, else the bearer of the token."""

import hmac

from flask import Flask, request

from conductor_app.errors import Unauthenticated

OPEN = frozenset(
    {"/api/v1/health/live", "/api/v1/health/ready", "/api/v1/version", "/openapi.json", "/docs"}
)
OPEN_BELOW = "/docs/"


class WrongToken(Unauthenticated):
    """The bearer token is not the one of this installation; `conductor up` says where it lies."""


def require_token(app: Flask, token: str) -> None:
    """Ask for the token before every request but the open ones."""

    def authenticate() -> None:
        if request.path not in OPEN and not request.path.startswith(OPEN_BELOW):
            check(request.headers.get("Authorization"), token)

    app.before_request(authenticate)


def check(authorization: str | None, token: str) -> None:
    """Compare what an Authorization header brings, in constant time; raises Unauthenticated."""
    scheme, _, given = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not given:
        raise Unauthenticated(
            # What would look like a header with its token would be masked.
            "Send the token in the header `Authorization`, after the word `Bearer`. It is in the "
            "file `api.token` of the data directory, or what CONDUCTOR_TOKEN says."
        )
    if not hmac.compare_digest(given.strip().encode(), token.encode()):
        raise WrongToken
