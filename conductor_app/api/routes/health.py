"""Whether the server lives, whether it can work, and which version it is."""

import platform
from importlib.metadata import version as version_of

from flask import Response

from conductor_app.api.access import conductor
from conductor_app.api.answers import answered
from conductor_app.api.readiness import examine
from conductor_app.api.resources import open_resource
from conductor_app.api.schemas.base import OK, Failure, described
from conductor_app.errors import Unreachable

api = open_resource("health", "Open to everybody: is it alive, is it ready, which version")


@api.get("/health/live", responses=OK)
def live() -> Response:
    """The process answers."""
    return answered("Conductor is alive", {"status": "alive"})


class NotReady(Unreachable):
    """Something that Conductor requires is down."""

    code = "not_ready"


@api.get("/health/ready", responses={**OK, 503: described("Something required is down", Failure)})
def ready() -> Response:
    """Each dependency with its state and latency; 503 when one that is required is down."""
    is_ready, dependencies = examine(conductor())
    if is_ready:
        return answered("Conductor is ready", {"status": "ready", "dependencies": dependencies})
    down = [each for each in dependencies if each["required"] and each["state"] != "up"]
    reasons = " ".join(f"{each['name']}: {each['detail']}" for each in down)
    raise NotReady(
        f"Conductor is not ready. {reasons}", status="not_ready", dependencies=dependencies
    )


@api.get("/version", responses=OK)
def version() -> Response:
    """The versions of Conductor and of Python."""
    found = {"version": version_of("conductor-app"), "python": platform.python_version()}
    return answered("Conductor's version", found)
