"""Turns what a caller asks for into the complete order that a supervisor process carries out."""

import importlib.util
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TypedDict, Unpack
from uuid import uuid4

from conductor_app.domain.network_hosts import EVERYWHERE
from workers.sandbox import hosts
from workers.sandbox.model import CommandNotFound, Level, Limits, Order, SandboxUnavailable
from workers.sandbox.surroundings import environment, system_files

NO_SINGLE_HOSTS = (
    "bubblewrap can't let single hosts through. Use the sandbox level sandlock (Linux 6.12 or "
    'newer), or allow every host with `network: ["*"]`.'
)


class Access(TypedDict, total=False):
    """What a command gets besides its working directory; all of it optional.

    `env` is added to the clean environment. `readable` and `writable` are files or directories.
    `network` opens all of it, `hosts` those (`name` or `name:port`) and no others, or with `*` all
    but this machine where the level can tell; `loopback_port` opens one port of 127.0.0.1, to
    listen on and to reach, `gateway` one to reach only, with the Unix socket where the same server
    listens.
    """

    env: Mapping[str, str]
    readable: Sequence[Path]
    writable: Sequence[Path]
    network: bool
    loopback_port: int | None
    hosts: Sequence[str]
    gateway: tuple[int, Path] | None


def order(
    level: Level,
    argv: Sequence[str],
    cwd: Path,
    limits: Limits,
    **access: Unpack[Access],
) -> Order:
    """Raises CommandNotFound, SandboxUnavailable when the level can't do it, and for a host that
    can't be allowed HostRefused and HostUnknown."""
    cwd = cwd.resolve()
    gateway = access.get("gateway")
    wanted = access.get("hosts", ())
    everywhere = EVERYWHERE in wanted
    if wanted and not everywhere and level == Level.BUBBLEWRAP:
        raise SandboxUnavailable(NO_SINGLE_HOSTS)
    # Namespaces have all of the machine's network or none of it.
    anywhere = access.get("network", False) or (everywhere and level == Level.BUBBLEWRAP)
    private = Path(tempfile.gettempdir()).resolve() / f"conductor-{uuid4().hex}"
    variables = environment(private, access.get("env", {}))
    return Order(
        level=level,
        argv=(_program(argv[0], cwd, variables["PATH"]), *argv[1:]),
        cwd=str(cwd),
        env=variables,
        private=str(private),
        readable=(*system_files(), *_existing(access.get("readable", ()))),
        writable=_existing(access.get("writable", ())),
        network=anywhere,
        loopback_port=access.get("loopback_port"),
        seconds=limits.seconds,
        limits=limits,
        tool=tool(level),
        hosts=() if everywhere else hosts.endpoints(wanted),
        elsewhere=everywhere,
        gateway=(gateway[0], str(gateway[1].resolve())) if gateway else None,
    )


@cache
def tool(level: Level) -> str:
    """Where the level's program or library lives; empty when it needs none."""
    if level == Level.UNCONFINED:
        return ""
    if level == Level.BUBBLEWRAP:
        found = shutil.which("bwrap")
    else:
        # Found, not imported: only the supervisor loads it.
        spec = importlib.util.find_spec("sandlock")
        found = str(Path(spec.origin).parents[1]) if spec and spec.origin else None
    if found is None:
        raise SandboxUnavailable(f"{level} is not installed")
    return found


def _program(name: str, cwd: Path, path: str) -> str:
    """The absolute path of a program, so that every level finds it in the same way."""
    found = shutil.which(str(cwd / name) if "/" in name else name, path=path)
    if found is None:
        raise CommandNotFound(f"{name}: command not found (PATH is {path})")
    return found


def _existing(paths: Sequence[Path]) -> tuple[str, ...]:
    return tuple(str(path.resolve()) for path in paths if path.exists())
