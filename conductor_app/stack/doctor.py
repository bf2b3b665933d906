"""Examines this machine: each thing that Conductor needs, whether it is here, how to get it."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from conductor_app import (
    catalog,
    configuration,
    connector_readiness,
    connector_settings,
    prices,
    program_settings,
)
from conductor_app.errors import ConductorError, InvalidSettings
from conductor_app.programs import BY_CONNECTOR
from conductor_app.settings import Settings
from conductor_app.stack import datadir, docker_daemon, embedded, ports, redis_server
from conductor_app.stack.reachable import require_reachable

PYTHON_NEEDED = (3, 11)
# Merges are computed without a working tree (`git merge-tree --write-tree`), new in this version.
GIT_NEEDED = (2, 38)
FREE_BYTES_NEEDED = 1_000_000_000
TRIAL_SECONDS = 60
SANDBOX_TRIAL = "import sys, workers.sandbox as s; print(s.Sandbox.detect(sys.argv[1]).level)"


@dataclass(frozen=True)
class Finding:
    """One thing that was examined. What is not `required` only narrows what can be done."""

    name: str
    ok: bool
    found: str
    advice: str = ""
    required: bool = True

    def as_row(self) -> dict[str, Any]:
        return asdict(self)


def examine(settings: Settings) -> list[Finding]:
    return [
        _python(),
        _git(),
        _redis(settings),
        _servers(settings),
        _sandbox(settings),
        _data_directory(settings.home),
        _disk(settings.home),
        _port(settings),
        _settings(settings),
        *_optional_programs(),
        *_connectors(settings),
    ]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    needed = ".".join(map(str, PYTHON_NEEDED))
    advice = f"Install Python {needed} or newer and make the virtual environment with it."
    return Finding("Python", sys.version_info >= PYTHON_NEEDED, version, advice)


def _git() -> Finding:
    needed = ".".join(map(str, GIT_NEEDED))
    advice = (
        f"Install git {needed} or newer (Debian, Ubuntu: apt install git; macOS: brew install git)."
    )
    program = shutil.which("git")
    if program is None:
        return Finding("git", False, "not on PATH", advice)
    words = subprocess.run(
        [program, "--version"], capture_output=True, text=True, timeout=TRIAL_SECONDS
    ).stdout.strip()
    return Finding("git", git_version(words) >= GIT_NEEDED, f"{words} ({program})", advice)


def git_version(words: str) -> tuple[int, ...]:
    """The numbers in what `git --version` says; empty when it says none."""
    numbers = re.search(r"(\d+)\.(\d+)", words)
    return tuple(map(int, numbers.groups())) if numbers else ()


def _redis(settings: Settings) -> Finding:
    if not settings.uses_embedded_redis:
        return Finding("Redis server", True, "another one is configured by its URL")
    try:
        program = redis_server.find_program()
    except redis_server.NoRedisServer as missing:
        return Finding("Redis server", False, "not found", missing.message)
    bundled = program == redis_server.bundled_program()
    return Finding("Redis server", True, f"{program}{' (bundled)' if bundled else ''}")


def _servers(settings: Settings) -> Finding:
    try:
        require_reachable(settings)
    except ConductorError as failure:
        return Finding("Servers", False, "one does not answer", failure.message)
    kind = settings.database_url.partition(":")[0].partition("+")[0]
    return Finding("Servers", True, f"what is configured by URL answers; database: {kind}")


def _sandbox(settings: Settings) -> Finding:
    """Try it in a process of its own: confinement can't be taken off again, and it is slow."""
    trial = subprocess.run(
        [sys.executable, "-P", "-c", SANDBOX_TRIAL, settings.sandbox],
        capture_output=True,
        text=True,
        timeout=TRIAL_SECONDS,
    )
    if trial.returncode == 0:
        return Finding("Sandbox", True, f"{trial.stdout.strip()} (setting: {settings.sandbox})")
    reason = (trial.stderr.strip().splitlines() or ["no reason given"])[-1]
    advice = (
        "Install bubblewrap (Debian, Ubuntu: apt install bubblewrap), or accept that commands of "
        "agents can do whatever you can: CONDUCTOR_SANDBOX=unconfined."
    )
    return Finding("Sandbox", False, reason.partition(": ")[2] or reason, advice)


def _data_directory(home: Path) -> Finding:
    try:
        there = datadir.look(home)
    except ConductorError as failure:
        return Finding("Data directory", False, str(home), failure.message)
    words = "" if there else " (not there yet; it can be made)"
    return Finding("Data directory", True, f"{home}{words}")


def _disk(home: Path) -> Finding:
    existing = next(place for place in (home, *home.parents) if place.exists())
    free = shutil.disk_usage(existing).free
    advice = f"Free at least {FREE_BYTES_NEEDED / 1e9:g} GB, or set CONDUCTOR_HOME to another disk."
    return Finding("Free disk", free >= FREE_BYTES_NEEDED, f"{free / 1e9:.1f} GB", advice)


def _port(settings: Settings) -> Finding:
    if running := embedded.find(settings.home):
        return Finding("Port", True, f"Conductor runs at {running.url}")
    try:
        port = ports.choose_port(settings)
    except ports.PortInUse as taken:
        return Finding("Port", False, f"{settings.port} is in use", taken.message)
    taken_note = "" if port == settings.port else f" ({settings.port} is in use)"
    return Finding("Port", True, f"{port}{taken_note}")


def _settings(settings: Settings) -> Finding:
    """What conductor.yml says, and the variables of connectors, whoever may need it."""
    file = settings.home / configuration.FILE_NAME
    mistakes = dict.fromkeys(_mistakes(settings))
    if mistakes:
        return Finding("Settings", False, "with mistakes", " ".join(mistakes))
    found = str(file) if file.exists() else f"no {configuration.FILE_NAME}; nothing is needed there"
    return Finding("Settings", True, found)


def _mistakes(settings: Settings) -> Iterator[str]:
    for examined in (_prices, connector_settings.load, _programs):
        try:
            examined(settings)
        except InvalidSettings as problem:
            yield problem.message


def _prices(settings: Settings) -> None:
    prices.load(settings.home)


def _programs(settings: Settings) -> None:
    """That of each connector and agent: what they say together may be wrong, too."""
    chosen = program_settings.load(settings)
    for connector, agents in chosen.agents.items():
        for agent in (None, *agents):
            chosen.of(connector, agent)


def _optional_programs() -> Iterator[Finding]:
    yield _docker()
    yield _coding_agents()


def _docker() -> Finding:
    advice = "Only checks that say so need it; without it they are skipped or fail with a reason."
    program = shutil.which("docker")
    if program is None:
        return Finding("Docker", False, "not on PATH", advice, required=False)
    try:
        version = docker_daemon.version(program)
    except docker_daemon.Silent:
        start = "Start the daemon, or let your user reach its socket."
        silent = f"no daemon answers {program}"
        return Finding("Docker", False, silent, f"{start} {advice}", required=False)
    return Finding("Docker", True, f"{version} ({program})", required=False)


def _coding_agents() -> Finding:
    """The programs that the connectors `command` and `acp` know by name."""
    known = [each for of in BY_CONNECTOR.values() for each in of.values()]
    here = [each.name for each in known if connector_readiness.is_installed(each)]
    advice = "; ".join(f"{each.name}: {each.install}" for each in known if each.name not in here)
    found = ", ".join(here) or "none of those that are known by name"
    return Finding("Coding agents", bool(here), found, advice, required=False)


def _connectors(settings: Settings) -> Iterator[Finding]:
    """Only the one that agents have who name none is needed: others are for who chooses them."""
    for name in catalog.CONNECTORS:
        found = connector_readiness.of(name, settings)
        required = name == settings.default_connector
        yield Finding(f"Connector {name}", found.ready, found.found, found.lacks, required)
