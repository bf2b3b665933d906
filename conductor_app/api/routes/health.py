"""Whether the server lives, whether it can work, and which version it is."""

import platform
from importlib.metadata import version as version_of

from flask import Response

from conductor_app.api.access import conductor
from conductor_app.api.answers import Answer, answered
from conductor_app.api.readiness import examine
from conductor_app.api.resources import open_resource
from conductor_app.api.schemas.base import OK, Success, described

api = open_resource("health", "Open to everybody: is it alive, is it ready, which version")


@api.get("/health/live", responses=OK)
def live() -> Response:
    """The process answers."""
    return answered("Conductor is alive", {"status": "alive"})


@api.get("/health/ready", responses={**OK, 503: described("Something required is down", Success)})
def ready() -> Response:
    """Each dependency with its state and latency; 503 when one that is required is down."""
    is_ready, dependencies = examine(conductor())
    return Answer(
        "Conductor is ready" if is_ready else "Conductor is not ready",
        {"status": "ready" if is_ready else "not_ready", "dependencies": dependencies},
        status=200 if is_ready else 503,
    ).response()


@api.get("/version", responses=OK)
def version() -> Response:
    """The versions of Conductor and of Python."""
    found = {"version": version_of("conductor-app"), "python": platform.python_version()}
    return answered("Conductor's version", found)
