"""A Conductor of real processes that tests disturb: started, killed, frozen and brought back."""

import fcntl
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import pytest
import redis
from sqlalchemy import select

from conductor_app import bootstrap
from conductor_app.cli.demo_repository import create_demo_repository
from conductor_app.engine import start
from conductor_app.settings import Settings
from conductor_app.stack import datadir, redis_server
from conductor_app.store import projects
from conductor_app.store.tables import attempts, executions, jobs, workers
from conductor_app.workflows import loader
from tests import forked
from tests.databases import give_schema

ROOT = Path(__file__).parents[2]
ROLES: Mapping[str, tuple[str, ...]] = {
    "agent": ("workers", "agent"),
    "system": ("workers", "system"),
    "isolated": ("workers", "isolated"),
    "beat": ("beat",),
    "api": ("conductor_app.asgi",),
}
USUAL = ("agent", "system", "isolated", "beat")
WORKERS = ("agent", "system", "isolated")
# Twenty times quicker than in production.
SCALED = {
    "lease_seconds": 1.5,
    "heartbeat_seconds": 0.25,
    "hint_lost_seconds": 1.5,
    "orchestration_interval": 250,
}
# What a loaded machine may add to any wait, in seconds: the tests judge order, not speed.
PATIENCE = 180.0


@dataclass
class Member:
    """A process of the cluster; one that `stays` is brought back when it dies."""

    name: str
    start: Callable[[Mapping[str, str]], psutil.Process]
    log: Path
    environment: dict[str, str]
    process: psutil.Process
    stays: bool = True
    starts: int = 1
    # What its dead predecessors had started, which should have died with them.
    orphans: list[psutil.Process] = field(default_factory=list)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return _lives(self.process)


class Cluster:
    """`home` is a prepared data directory; `chosen` overrides the scaled-down settings."""

    def __init__(self, home: Path, **chosen: Any) -> None:
        datadir.prepare(home)
        self.home = home
        self.settings = Settings.load(home, **{**SCALED, "sandbox": "unconfined", **chosen})
        give_schema(self.settings.database_url)
        self.control = home / "control"
        self.control.mkdir(exist_ok=True)
        self.repository = home / "project"
        create_demo_repository(self.repository)
        self.members: dict[str, Member] = {}
        self.conductor = bootstrap.connect(self.settings)

    def __enter__(self) -> Self:
        self._start_redis()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.stop(*(name for name in self.members if name != "redis"))
        self.stop("redis")
        self.conductor.close()

    # Processes.

    def start(self, *names: str, **environment: str) -> None:
        """Start members; a name is a role, with a number where there are several of it."""
        for name in names:
            role, _, _ = name.partition("-")
            module, *arguments = ROLES[role]
            log = self.settings.places.logs / f"{name}.log"
            start = partial(forked.start, module, arguments, cwd=self.home, log=log)
            self._run(name, start, log, environment)

    def ready(self, *names: str) -> None:
        """Wait until these workers take jobs."""
        for name in names:
            self.wait(lambda name=name: self._registered(name), f"{name} takes jobs")

    def kill(self, *names: str) -> None:
        """As `kill -9`; whoever stays comes back at the next look."""
        for name in names:
            member = self.members[name]
            if member.alive:
                member.orphans += _descendants(member.pid)
                member.process.kill()
                member.process.wait()

    def signal(self, name: str, number: signal.Signals) -> None:
        self.members[name].process.send_signal(number)

    def freeze(self, name: str) -> None:
        """Stop a member, between two writes: in one it would keep all others from SQLite."""
        self.signal(name, signal.SIGSTOP)
        while not self.can_be_written():
            self.thaw(name)
            self.signal(name, signal.SIGSTOP)

    def frozen(self, name: str) -> bool:
        return bool(self.members[name].process.status() == psutil.STATUS_STOPPED)

    def can_be_written(self) -> bool:
        """Whether writers get their turn at the SQLite file, if there is one."""
        lock = self.home / "conductor.db.lock"
        if not lock.exists():
            return True
        with lock.open() as file:
            deadline = time.monotonic() + 1
            while time.monotonic() < deadline:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return True
                except BlockingIOError:
                    time.sleep(0.001)
        return False

    def thaw(self, name: str) -> None:
        self.signal(name, signal.SIGCONT)

    def stop(self, *names: str, seconds: float = PATIENCE) -> None:
        """SIGTERM, and the time that each takes to end; fail when one does not."""
        chosen = [self.members[name] for name in names]
        for member in chosen:
            member.stays = False
            if member.alive:
                member.process.send_signal(signal.SIGCONT)
                member.process.send_signal(signal.SIGTERM)
        for member in chosen:
            try:
                member.process.wait(seconds)
            except psutil.TimeoutExpired:
                member.process.kill()
                member.process.wait()
                pytest.fail(f"{member.name} did not end {seconds:g} s after SIGTERM")

    def restart(self, name: str) -> None:
        """As a rolling deployment does: drain it, then start its successor."""
        member = self.members[name]
        self.stop(name)
        member.stays = True
        self._revive(member)

    def look_after(self) -> None:
        """Bring back who died and should live."""
        for member in self.members.values():
            if member.stays and not member.alive:
                self._revive(member)

    def orphans(self) -> list[psutil.Process]:
        """Processes that outlived the killed ones which had started them."""
        known = [each for member in self.members.values() for each in member.orphans]
        return [each for each in known if _lives(each)]

    def log_of(self, name: str) -> str:
        return self.members[name].log.read_text(errors="replace")

    def wait(
        self,
        condition: Callable[[], object],
        what: str | Callable[[], str],
        seconds: float = PATIENCE,
    ) -> float:
        """Poll, looking after the members; the seconds it took. Fail with all that is known."""
        began = time.monotonic()
        while not condition():
            self.look_after()
            if time.monotonic() - began > seconds:
                wanted = what if isinstance(what, str) else what()
                pytest.fail(f"not within {seconds:g} s: {wanted}\n{self.picture()}")
            time.sleep(0.03)
        return time.monotonic() - began

    def _run(
        self,
        name: str,
        start: Callable[[Mapping[str, str]], psutil.Process],
        log: Path,
        environment: dict[str, str],
    ) -> None:
        process = start(self._whole(environment))
        self.members[name] = Member(name, start, log, environment, process)

    def _revive(self, member: Member) -> None:
        member.process = member.start(self._whole(member.environment))
        member.starts += 1

    def _whole(self, environment: Mapping[str, str]) -> dict[str, str]:
        inherited = {**os.environ, **self.settings.environment(), "PYTHONPATH": str(ROOT)}
        return {**inherited, **environment}

    def _registered(self, name: str) -> bool:
        pid = self.members[name].pid
        with self.conductor.read() as tx:
            return tx.value(select(workers.c.id).where(workers.c.pid == pid)) is not None

    def _start_redis(self) -> None:
        log = self.settings.places.logs / "redis.log"

        def start(environment: Mapping[str, str]) -> psutil.Process:
            command = redis_server.command(self.settings)
            with log.open("ab") as file:
                return psutil.Popen(
                    command, env=environment, cwd=self.home, stdout=file, stderr=file
                )

        self._run("redis", start, log, {})
        self.wait(self.redis_answers, "Redis answers")

    def redis_answers(self) -> bool:
        try:
            with self.redis() as client:
                return bool(client.ping())
        except redis.exceptions.ConnectionError:
            return False

    def redis(self) -> "redis.Redis":
        return redis.Redis.from_url(self.settings.redis_client_url)

    # Executions.

    def begin(self, template: str, target: int | None = None, **inputs: str) -> str:
        """Start an execution of this template on the cluster's repository; its id."""
        loaded = loader.parse(template, "faults.yml")
        given = loaded.workflow.parse_inputs({"control": str(self.control), **inputs})
        wanted = start.Wanted(
            loaded.workflow,
            loaded.version,
            "faults.yml",
            loaded.text,
            inputs=given,
            target_phase=target,
        )
        with self.conductor.transaction() as tx:
            location = str(self.repository)
            project = projects.at(tx, location) or projects.add(tx, "project", location)
            return start.start(tx, project.id, wanted)

    def status(self, execution_id: str) -> str:
        with self.conductor.read() as tx:
            found = tx.value(select(executions.c.status).where(executions.c.id == execution_id))
        return str(found)

    def reaches(self, execution_id: str, status: str, seconds: float = PATIENCE) -> None:
        self.wait(lambda: self.status(execution_id) == status, f"{status} is reached", seconds)

    def begun(self, task: str) -> list[int]:
        """The pids of the workers in which attempts of a task (`0-walls`) began, in order."""
        files = sorted(
            (self.control / f"{task}.begun").glob("*"), key=lambda file: file.name.split(".")[1]
        )
        return [int(file.name.split(".")[0]) for file in files]

    def go(self) -> None:
        """Let everything that waits for a word go on."""
        (self.control / "go").touch()

    def count(self, statement: Any) -> int:
        with self.conductor.read() as tx:
            return len(tx.all(statement))

    def nobody_came_back(self) -> None:
        """The usual members are those that were started, however they fared."""
        if back := [name for name in USUAL if self.members[name].starts > 1]:
            pytest.fail(f"came back: {', '.join(back)}\n{self.picture()}")

    def picture(self) -> str:
        """What the rows say, and the ends of the logs: for a test that fails."""
        from conductor_app.store.tables import errors, tasks

        lines = []
        with self.conductor.read() as tx:
            for table, columns in (
                (executions, ("status", "reason", "reason_detail", "hold", "current_phase")),
                (tasks, ("key", "generation", "status", "failures", "error_message")),
                (
                    jobs,
                    ("kind", "queue", "status", "claims", "lost_leases", "hinted_at", "not_before"),
                ),
                (attempts, ("task_id", "number", "status", "worker_id")),
                (errors, ("severity", "kind", "message")),
            ):
                rows = tx.all(select(table).limit(60))
                lines += [
                    f"{table.name}: " + ", ".join(f"{c}={getattr(row, c)}" for c in columns)
                    for row in rows
                ]
        for member in self.members.values():
            tail = member.log.read_text(errors="replace")[-4000:]
            lines.append(f"--- {member.name} alive={member.alive} starts={member.starts}\n{tail}")
        return "\n".join(lines)


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
