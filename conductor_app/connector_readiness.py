"""Whether a connector could do its work from here, and what it lacks: a key, a program, leave."""

import os
import shutil
import sys
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from conductor_app import connector_keys, connector_settings, program_settings, programs
from conductor_app.connector_settings import ModelSettings
from conductor_app.errors import InvalidSettings
from conductor_app.programs import Program
from conductor_app.settings import Settings


@dataclass(frozen=True)
class Readiness:
    """What a connector works with here, and in a sentence or two what it lacks."""

    found: str
    lacks: str = ""

    @property
    def ready(self) -> bool:
        return not self.lacks


def of(connector: str, settings: Settings, agent: str | None = None) -> Readiness:
    """Of one of the catalog's, for an agent."""
    try:
        if connector in connector_settings.DEFAULTS:
            return _of_model(connector_settings.load(settings).of(connector, agent))
        if connector in programs.BY_CONNECTOR:
            return _of_program(program_settings.load(settings).of(connector, agent), settings)
    except InvalidSettings as problem:
        return Readiness("wrong settings", problem.message)
    return Readiness("recorded turns; it needs no key")


def _of_model(chosen: ModelSettings) -> Readiness:
    try:
        key = chosen.key
    except InvalidSettings as problem:
        return Readiness(f"{chosen.model}, no key", problem.message)
    if key is None:
        return Readiness(f"{chosen.model}, no key", connector_keys.advice(chosen.connector))
    if not chosen.live_calls and not is_this_machine(urlsplit(chosen.base_url).hostname or ""):
        lacks = f"CONDUCTOR_LIVE_CALLS is false: unset it, or {chosen.base_url} is not called."
        return Readiness(f"{chosen.model}, not allowed", lacks)
    return Readiness(f"{chosen.model}, key of {key.source}")


def is_this_machine(host: str) -> bool:
    """Whether an address leads no further than here."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_installed(program: Program) -> bool:
    """Whether it is where workers look for programs."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)))
    return shutil.which(_file(program), path=path) is not None


def _file(program: Program) -> str:
    """What is looked for: a name, or a path."""
    return program.argv[0] if isinstance(program.argv[0], str) else program.argv[0][0]


def _how_to_get(program: Program) -> str:
    file = _file(program)
    if os.sep in file and Path(file).exists():
        return f"`{file}` may not be executed. Give it the right to be: `chmod +x {file}`."
    where = f"at `{file}`" if os.sep in file else f"`{file}` on the PATH"
    advice = (
        f"Install it: `{program.install}`."
        if program.install
        else "Install it, or correct `argv` in the connector's settings."
    )
    return f"There is no program {where}. {advice}"


def _of_program(program: Program, settings: Settings) -> Readiness:
    if not is_installed(program):
        return Readiness(f"{program.name}, not installed", _how_to_get(program))
    if program.soft_cap:
        if program.pass_env and not any(os.environ.get(name) for name in program.pass_env):
            return Readiness(f"{program.name}, no key", f"Set {' or '.join(program.pass_env)}.")
        return Readiness(f"{program.name}, soft cap")
    chosen = connector_settings.load(settings).of(program.upstream)
    upstream = _of_model(replace(chosen, model=program.model or chosen.model))
    return Readiness(f"{program.name}, through the gateway to {upstream.found}", upstream.lacks)
