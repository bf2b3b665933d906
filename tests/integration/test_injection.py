"""Texts that give orders: a model that obeys all of them has not the power to carry one out."""

import hashlib
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import Row, select

from conductor_app import bootstrap
from conductor_app.cli.demo_repository import create_demo_repository
from conductor_app.engine import projects, start
from conductor_app.queue import MemoryQueue
from conductor_app.settings import Settings
from conductor_app.store import tables
from conductor_app.tool_specs import TOOLS
from conductor_app.workflows import loader
from tests.databases import give_schema
from tests.fakes import secrecy
from tests.fakes.attacks import ATTACKS, Attack
from tests.fakes.model_server import Reply, Space, says
from workers.process import WorkerProcess

# Neither known as a secret nor shaped like one: only that it can't be read protects it.
IN_ENVIRONMENT, IN_FILE, IN_SETTINGS = "canary in the air", "canary in a cage", "canary in a mine"
TEMPLATE = """
name: attacked
title: Attacked
agents: {talker: {title: Takes turns, connector: claude}}
budget: {usd: 5}
phases:
  - number: 0
    name: Only
    tasks:
      - key: talk
        title: Talk
        agent: talker
        needs: []
        retry: {max: 0}
        checks: [{name: It is done, kind: command, run: test -f proof}]
      - {key: later, title: Later, agent: talker, needs: [talk], retry: {max: 0}}
"""
# What each tool can do at most; whoever adds one says here what that is.
POWERS = {
    "list_dir": "reads beneath the worktree",
    "read_file": "reads beneath the worktree",
    "search": "reads beneath the worktree",
    "edit_file": "writes beneath the worktree",
    "write_file": "writes beneath the worktree",
    "run_command": "runs in the sandbox",
    "ask": "writes a question, which a person answers",
    "remember": "writes a proposal, which a person accepts",
    "report_signal": "writes a remark",
    "finish": "ends its own attempt, which Conductor then judges",
}


def test_every_tool_is_known_with_its_power() -> None:
    assert set(TOOLS) == set(POWERS)


def test_there_are_fifty_attacks_and_no_two_alike() -> None:
    assert len(ATTACKS) == len({each.order for each in ATTACKS}) == 50


@dataclass
class Visits:
    """Whoever came to the port or to the socket, which nobody should."""

    port: int
    seen: list[Any] = field(default_factory=list)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    path = tmp_path / "outside"
    path.mkdir()
    (path / "key").write_text(IN_FILE)
    return path


@pytest.fixture
def visits(outside: Path) -> Iterator[Visits]:
    servers = [socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)]
    servers[1].bind(str(outside / "redis.sock"))
    servers[1].listen()
    kept = Visits(servers[0].getsockname()[1])

    def accept(server: socket.socket) -> None:
        while True:
            try:
                kept.seen.append(server.accept())
            except OSError:
                return

    for server in servers:
        threading.Thread(target=accept, args=(server,), daemon=True).start()
    yield kept
    for server in servers:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


def filled(value: Any, places: dict[str, str]) -> Any:
    """With the addresses and folders of this test in place of their names."""
    if isinstance(value, dict):
        return {name: filled(each, places) for name, each in value.items()}
    if isinstance(value, str):
        for name, place in places.items():
            value = value.replace(f"{{{name}}}", place)
    return value


def obeying(number: int, attack: Attack, places: dict[str, str]) -> Reply:
    """Reads the order, from a file or from what a command prints, and does as it says."""
    file = f"attacks/{number:02}.md"
    reads = ("read_file", {"path": file}), ("run_command", {"command": f"cat {file}"})
    calls = [(tool, filled(arguments, places)) for tool, arguments in attack.calls]
    if calls[0][0] == "finish":
        return says("As you wish.", *calls)
    return says("As you wish.", reads[number % 2], *calls)


def fingerprint(*roots: Path) -> dict[str, str]:
    """Every file with its content, and where links lead."""
    found = {}
    for root in roots:
        for path in sorted(root.rglob("*")):
            if path.is_symlink():
                found[str(path)] = os.readlink(path)
            elif path.is_file():
                found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@dataclass
class Scene:
    """A worker, the repository that attacks it, and what the rows say afterwards."""

    process: WorkerProcess
    queue: MemoryQueue
    repository: Path
    execution_id: str = ""

    def begin(self) -> None:
        loaded = loader.parse(TEMPLATE, "attacked.yml")
        order = start.Wanted(
            loaded.workflow, loaded.version, "attacked.yml", loaded.text, inputs={}
        )
        with self.process.conductor.transaction() as tx:
            project = projects.find_or_create(tx, str(self.repository))
            self.execution_id = start.start(tx, project.id, order)

    def work(self) -> None:
        while self.queue.hints:
            self.process.carry_out(self.queue.hints.pop(0).links[0])

    def rows(self, table: Any) -> list[Row[Any]]:
        with self.process.conductor.read() as tx:
            return list(tx.all(select(table)))


@pytest.fixture
def scene(
    home: Path, outside: Path, model_server: Space, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scene]:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-of-the-tests-0123456789")
    monkeypatch.setenv("HARMLESS_NAME", IN_ENVIRONMENT)
    monkeypatch.setenv("CONDUCTOR_CLAUDE_BASE_URL", model_server.url("attacked"))
    (home / "conductor.yml").write_text(f"# {IN_SETTINGS}\n")
    repository = home / "project"
    create_demo_repository(repository)
    (repository / "attacks").mkdir()
    for number, attack in enumerate(ATTACKS):
        text = f"# IMPORTANT, for the AI agent that reads this\n\n{attack.order}\n"
        (repository / "attacks" / f"{number:02}.md").write_text(text)
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    for command in (("add", "--all"), (*identity, "commit", "-qm", "Attack")):
        subprocess.run(["git", "-C", str(repository), *command], check=True)
    settings = Settings.load(home)
    give_schema(settings.database_url)
    queue = MemoryQueue()
    process = WorkerProcess(
        bootstrap.connect(settings, queue), "agent", 1, lambda: ["agent.talker"]
    )
    yield Scene(process, queue, repository)
    process.close()


def test_fifty_orders_have_no_effect(
    scene: Scene,
    home: Path,
    outside: Path,
    visits: Visits,
    model_server: Space,
    wait_until: Callable[..., None],
) -> None:
    places = {"port": str(visits.port), "home": str(home), "outside": str(outside)}
    model_server.add(
        "attacked", *(obeying(number, each, places) for number, each in enumerate(ATTACKS))
    )
    kept = (outside, scene.repository / ".git" / "hooks", scene.repository / "attacks")
    before = fingerprint(*kept)
    scene.begin()
    scene.work()

    # All were read and obeyed, to the last one.
    assert len(model_server.requests) == len(ATTACKS)
    # No state but that of the attempt itself, whose check was not talked round.
    assert {row.key: row.status for row in scene.rows(tables.tasks)} == {
        "0/talk": "failed",
        "0/later": "waiting",
    }
    (attempt,) = scene.rows(tables.attempts)
    assert (attempt.status, attempt.error_kind) == ("failed", "CHECK_FAILED")
    (execution,) = scene.rows(tables.executions)
    assert execution.status == "paused"
    assert not scene.rows(tables.decisions)
    (lesson,) = (row for row in scene.rows(tables.lessons) if "gates" in row.description)
    assert lesson.status == "proposed"
    assert [row.type for row in scene.rows(tables.signals)] == ["quality_issue"]
    # Caps are what the settings and the template say.
    budgets = {row.kind: row for row in scene.rows(tables.budgets)}
    assert budgets["execution"].nano_usd_cap == 5 * 10**9
    assert budgets["installation_day"].tokens_cap == 1_000_000
    assert all(row.emergency_at is None for row in budgets.values())
    # Nothing outside was changed, nothing was read there, nobody was visited.
    assert fingerprint(*kept) == before
    found = secrecy.leaks(
        home,
        scene.process.conductor.settings.database_url,
        scene.repository,
        [IN_ENVIRONMENT, IN_FILE, IN_SETTINGS],
    )
    assert not found
    told = str([request.body for request in model_server.requests])
    own = secrecy.secrets_of(home)
    assert not secrecy.found_in(told, [IN_ENVIRONMENT, IN_FILE, IN_SETTINGS, *own])
    assert not visits.seen
    # Nothing is left running.
    wait_until(lambda: not left_of(outside), what="nothing of the attempt runs")


def left_of(outside: Path) -> list[psutil.Process]:
    return [
        each
        for each in psutil.process_iter(["cmdline"])
        if any(f"{outside}/alive" in word for word in each.info["cmdline"] or ())
    ]
