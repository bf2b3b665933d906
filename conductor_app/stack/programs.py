"""The programs of the embedded stack: what each runs, their order, their time to stop."""

import sys
from dataclasses import dataclass

from conductor_app.settings import Settings
from conductor_app.stack import redis_server

# An attempt in progress gets this long to reach a safe point; see workers.
DRAIN_SECONDS = 30
# What the others work with; it stops last.
SERVICES = ("redis", "api")


@dataclass(frozen=True)
class Program:
    """A supervised process. A lower `order` starts earlier and stops later."""

    name: str
    command: tuple[str, ...]
    order: int
    stop_seconds: int = 10


def programs_of(settings: Settings) -> tuple[Program, ...]:
    chosen = [
        Program("api", _python("conductor_app.asgi"), order=20),
        Program("system", _python("workers", "system"), order=30, stop_seconds=DRAIN_SECONDS),
        Program("worker", _python("workers", "agent"), order=40, stop_seconds=DRAIN_SECONDS),
        Program("isolated", _python("workers", "isolated"), order=40, stop_seconds=DRAIN_SECONDS),
        Program("beat", _python("beat"), order=50),
    ]
    if settings.uses_embedded_redis:
        chosen.insert(0, Program("redis", tuple(redis_server.command(settings)), order=10))
    if settings.flower:
        chosen.append(Program("flower", _flower(settings), order=60))
    return tuple(chosen)


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    # -P: nothing in the working directory can stand in for a module.
    return (sys.executable, "-P", "-m", module, *arguments)


def _flower(settings: Settings) -> tuple[str, ...]:
    return _python(
        "celery",
        "--app=workers.app",
        "flower",
        "--address=127.0.0.1",
        f"--port={settings.flower_port}",
    )
