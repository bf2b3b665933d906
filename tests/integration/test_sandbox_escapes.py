"""Escapes from the sandbox, tried on the real services: as a command, and as a coding agent."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from conductor_app.settings import Settings
from tests.fakes import programs
from tests.fakes.model_server import Space
from tests.fakes.programs.shop import Shop, open_shop
from tests.sandboxes import detected
from workers.connectors.programs.attempt import OUTPUT_FILE
from workers.sandbox import Level, Sandbox

ESCAPES = programs.FOLDER / "escapes.py"
CANARY = f"canary-{uuid4().hex}"

# What needs a network, and what needs the rights of root, also without a sandbox.
ONLINE = {"the network", "a datagram", "the API's port by another address of this machine"}
ROOTS = {
    *("the password file", "capabilities", "raw packets", "tracing another", "another's memory"),
    *("a bind mount in namespaces of its own", "its own interpreter overwritten"),
}
# What may get around a filter of calls; bubblewrap's walls are namespaces, it filters none.
HARMLESS: Mapping[Level, set[str]] = {Level.SANDLOCK: set(), Level.BUBBLEWRAP: {"io_uring"}}


@pytest.fixture(params=[Level.SANDLOCK, Level.BUBBLEWRAP], ids=str)
def confined(request: pytest.FixtureRequest) -> Sandbox:
    return detected(request.param)


@pytest.fixture
def targets(
    settings: Settings, redis_of_session: str, postgresql_of_session: str, tmp_path: Path
) -> Iterator[Mapping[str, Any]]:
    """What there is to be reached, everything real, with a canary in every file."""
    with ExitStack() as stack:
        homes = {
            "home": Path.home() / f".conductor-test-{CANARY}",
            "ssh": Path.home() / ".ssh" / f"conductor-test-{CANARY}",
        }
        files = {
            "data": settings.home / "conductor.db",
            "token": settings.home / "api_token",
            "sibling": tmp_path / "worktrees" / "other" / "secret.py",
            "temporary": Path(tempfile.mkdtemp(dir="/tmp")) / "secret",
        }
        for path in (*homes.values(), *files.values()):
            if not path.parent.exists():
                path.parent.mkdir(parents=True)
                if path.parent.name == ".ssh":
                    stack.callback(path.parent.rmdir)
            path.write_text(CANARY)
            stack.callback(path.unlink, missing_ok=True)
        bystander = stack.enter_context(
            subprocess.Popen(["sleep", "600"], env={**os.environ, "KEY": CANARY})
        )
        stack.callback(bystander.kill)
        api = stack.enter_context(socket.create_server(("0.0.0.0", 0)))
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind(f"\0{CANARY}")
        abstract.listen()
        yield {
            **{name: str(path) for name, path in (homes | files).items()},
            "canary": CANARY,
            "bystander": bystander.pid,
            "port": api.getsockname()[1],
            "address": _own_address(),
            "abstract": f"@{CANARY}",
            "redis": urlsplit(redis_of_session).path,
            "postgresql": _postgresql_socket(postgresql_of_session),
        }


def _own_address() -> str | None:
    """An address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        return str(probe.getsockname()[0])


def _postgresql_socket(url: str) -> str:
    folder = Path(parse_qs(urlsplit(url).query)["host"][0])
    return str(next(folder.glob(".s.PGSQL.*[0-9]")))


def possible(output: str) -> set[str]:
    assert "tried: " in output, output
    marked = [line for line in output.splitlines() if line.startswith("POSSIBLE: ")]
    return {line.removeprefix("POSSIBLE: ") for line in marked}


def test_without_a_sandbox_they_succeed(targets: Mapping[str, Any], tmp_path: Path) -> None:
    """Else their failing would prove nothing."""
    argv = [sys.executable, str(ESCAPES), json.dumps(dict(targets))]
    careless = {**os.environ, "KEY": CANARY, "PATH": f".:{os.environ['PATH']}"}
    said = subprocess.run(argv, cwd=tmp_path, env=careless, capture_output=True, text=True)
    tried = set(said.stdout.splitlines()[-1].removeprefix("tried: ").split(", "))
    assert tried - possible(said.stdout) <= (ONLINE if os.geteuid() == 0 else ONLINE | ROOTS)


def test_a_command_stays_inside(
    confined: Sandbox, targets: Mapping[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", CANARY)
    argv = [sys.executable, str(ESCAPES), json.dumps(dict(targets))]
    worktree = tmp_path / "worktrees" / "own"
    worktree.mkdir(parents=True, exist_ok=True)
    result = confined.run(argv, cwd=worktree, readable=[programs.FOLDER])
    assert possible(result.output) == HARMLESS[confined.level]


def test_a_coding_agent_stays_inside(
    confined: Sandbox,
    targets: Mapping[str, Any],
    sqlite_url: str,
    home: Path,
    tmp_path: Path,
    model_server: Space,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may reach the gateway, and nothing else."""
    with open_shop("command", sqlite_url, home, tmp_path, model_server, monkeypatch) as shop:
        _run_escapes(shop, confined, targets, monkeypatch)


def _run_escapes(
    shop: Shop, confined: Sandbox, targets: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", CANARY)
    argv = [sys.executable, str(ESCAPES), json.dumps(dict(targets))]
    choices = {"protocol": "messages", "env": programs.GATEWAY_ENV}
    programs.choose(shop.home, "command", argv, **choices)
    shop.run(sandbox=confined)
    assert possible((shop.artifacts / OUTPUT_FILE).read_text()) == HARMLESS[confined.level]
