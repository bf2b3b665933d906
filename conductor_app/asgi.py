"""The one server: event streams in Starlette, everything else Flask, on one port."""

import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import uvicorn
from a2wsgi import WSGIMiddleware
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from conductor_app import create_app, logs, telemetry
from conductor_app.api.stream import serve_events
from conductor_app.bootstrap import Conductor, connect, connected
from conductor_app.errors import ConductorError
from conductor_app.settings import Settings
from conductor_app.settings_review import usable

# Flask's requests at a time; each holds a database connection only while it needs one.
THREADS = 16
DRAIN_SECONDS = 5
# As uvicorn ends where it can't listen.
NOT_STARTED = 3


def application(conductor: Conductor, ends: Callable[[], bool] = lambda: False) -> Starlette:
    """`ends` says that the server is about to: streams would keep it waiting."""
    # a2wsgi, Flask and Starlette each have their own words for the same two protocols.
    flask: Any = WSGIMiddleware(cast(Any, create_app(conductor)), workers=THREADS)
    events = Route("/events", serve_events(conductor, ends), methods=["GET"])
    return Starlette(routes=[events, Mount("/", flask)])


def from_environment() -> Starlette:
    """For servers that take a factory, as `uvicorn --factory conductor_app.asgi:from_environment`.

    Raises InvalidSettings.
    """
    conductor = connect(usable(Settings.load()))
    telemetry.start("api")

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            conductor.close()
            telemetry.stop()

    app = application(conductor)
    app.router.lifespan_context = lifespan
    return app


def serve(settings: Settings) -> None:
    """Serve until a signal comes, on the address of the settings: loopback unless chosen."""
    with connected(usable(settings)) as conductor, telemetry.running("api"):
        config = uvicorn.Config(
            application(conductor, lambda: server.should_exit),
            host=settings.host,
            port=settings.port,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
        server = uvicorn.Server(config)

        def end(*_: object) -> None:
            # When it has drained, uvicorn sends itself the signal again: by default the process
            # would be gone before what is left of its telemetry.
            if not server.should_exit:
                sys.exit(0)

        signal.signal(signal.SIGTERM, end)
        with contextlib.suppress(KeyboardInterrupt):
            server.run()
    if not server.started:
        sys.exit(NOT_STARTED)


def main() -> None:
    logs.set_up("api")
    try:
        settings = Settings.load()
        logs.set_up("api", settings.log_format, settings.log_level)
        serve(settings)
    except ConductorError as error:
        print(error.message, file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
