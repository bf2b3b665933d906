"""Supervision with real processes: small stand-ins for Conductor's own, and the real Redis."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from conductor_app.settings import Settings
from conductor_app.stack import embedded, launch, readiness
from conductor_app.stack.ports import PortInUse, PortLost, choose_port, is_free
from conductor_app.stack.programs import Program, programs_of
from conductor_app.stack.supervision import StackProblem

API = """
import http.server
from conductor_app.settings import Settings

class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

settings = Settings.load()
http.server.ThreadingHTTPServer((settings.host, settings.port), Ready).serve_forever()
"""
SLEEPER = "import signal; signal.pause()"
STUBBORN = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: signal.pause()"
)
FAILING = "raise SystemExit('the reason is in the log')"
WaitUntil = Callable[..., None]


def free_port() -> int:
    """A port of one's own, so that stacks of tests that run at the same time don't meet."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@dataclass
class Yard:
    """A data directory with stand-ins for programs, started and stopped like the real ones."""

    settings: Settings

    def script(self, name: str, text: str, order: int = 30, stop_seconds: int = 5) -> Program:
        path = self.settings.home / f"{name}.py"
        path.write_text(text)
        return Program(name, (sys.executable, str(path)), order, stop_seconds)

    def programs(self, *more: Program) -> Callable[[Settings], list[Program]]:
        def chosen(settings: Settings) -> list[Program]:
            redis = [program for program in programs_of(settings) if program.name == "redis"]
            return [*redis, self.script("api", API, order=20), *more]

        return chosen

    def start(self, *more: Program) -> tuple[embedded.RunningStack, bool]:
        return embedded.start(self.settings, self.programs(*more))


@pytest.fixture
def yard(home: Path) -> Iterator[Yard]:
    yield Yard(Settings.load(port=free_port()))
    embedded.stop(home)


def test_it_becomes_ready_and_stops_without_a_trace(yard: Yard) -> None:
    stack, fresh = yard.start(yard.script("worker", SLEEPER))
    assert fresh
    readiness.wait_until_ready(stack)
    states = stack.supervisor().states()
    assert {name: state.state for name, state in states.items()} == {
        "redis": "RUNNING",
        "api": "RUNNING",
        "worker": "RUNNING",
    }
    processes = [psutil.Process(state.pid) for state in states.values()]
    assert embedded.stop(yard.settings.home)
    assert not any(lives(process) for process in processes)
    assert embedded.find(yard.settings.home) is None
    assert not embedded.stop(yard.settings.home), "nothing is left to stop"


@pytest.mark.parametrize("name", ["with space", "häuser", "100% %(x)s", "it's so"])
def test_any_name_of_a_data_directory_will_do(home: Path, name: str) -> None:
    inner = home / name
    yard = Yard(Settings.load(inner, port=free_port()))
    try:
        stack, _ = yard.start()
        readiness.wait_until_ready(stack)
        assert (stack.logs / "redis.log").exists()
    finally:
        embedded.stop(inner)


def test_a_second_start_finds_the_first(yard: Yard) -> None:
    first, _ = yard.start()
    second, fresh = yard.start()
    assert not fresh
    assert second == first == embedded.find(yard.settings.home)


def test_a_killed_child_comes_back(yard: Yard, wait_until: WaitUntil) -> None:
    stack, _ = yard.start(yard.script("worker", SLEEPER))
    readiness.wait_until_ready(stack)
    before = stack.supervisor().states()
    for state in before.values():
        os.kill(state.pid, signal.SIGKILL)

    def all_are_back() -> bool:
        states = stack.supervisor().states()
        return all(state.runs and state.pid != before[name].pid for name, state in states.items())

    wait_until(all_are_back, seconds=15, what="every killed process is back")
    readiness.wait_until_ready(stack)


def test_what_a_killed_supervisor_leaves_behind_is_ended(yard: Yard, wait_until: WaitUntil) -> None:
    stack, _ = yard.start(yard.script("worker", SLEEPER))
    readiness.wait_until_ready(stack)
    orphans = [psutil.Process(state.pid) for state in stack.supervisor().states().values()]
    supervisor = psutil.Process(stack.supervisor().pid())
    supervisor.kill()
    wait_until(lambda: not lives(supervisor), what="the supervisor is dead")
    assert embedded.find(yard.settings.home) is None
    again, fresh = yard.start()
    assert fresh
    readiness.wait_until_ready(again)
    assert not any(lives(orphan) for orphan in orphans)


def test_what_ignores_the_request_to_end_is_killed(yard: Yard) -> None:
    stack, _ = yard.start(yard.script("worker", STUBBORN, stop_seconds=1))
    readiness.wait_until_ready(stack)
    worker = psutil.Process(stack.supervisor().states()["worker"].pid)
    assert embedded.stop(yard.settings.home)
    assert not lives(worker)


def test_a_program_that_can_not_live_is_named_with_its_log(yard: Yard) -> None:
    stack, _ = yard.start(yard.script("worker", FAILING))
    with pytest.raises(StackProblem, match=r"(?s)`worker` ends again.*the reason is in the log"):
        readiness.wait_until_ready(stack)


def test_a_program_that_is_not_there_is_named(yard: Yard) -> None:
    stack, _ = yard.start(Program("worker", ("/no/such/program",), order=30))
    with pytest.raises(StackProblem, match="`worker` can't be started"):
        readiness.wait_until_ready(stack)


def test_only_the_owner_can_talk_to_the_supervisor(yard: Yard) -> None:
    yard.start()
    path = yard.settings.places.run / "supervisor.sock"
    assert path.stat().st_mode & 0o777 == 0o700


def test_the_preparation_runs_once_and_before_everything(yard: Yard) -> None:
    calls: list[bool] = []

    def before(settings: Settings) -> None:
        calls.append(embedded.find(settings.home) is None)

    for _ in range(2):
        embedded.start(yard.settings, yard.programs(), before)
    assert calls == [True]


def test_another_program_that_took_the_port_is_not_taken_for_ours(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, wait_until: WaitUntil
) -> None:
    script = yard.script("other", API).command
    other = subprocess.Popen(script, env={**os.environ, "CONDUCTOR_PORT": "3917"})
    try:
        wait_until(lambda: not is_free("127.0.0.1", 3917), what="the other program listens")
        monkeypatch.setattr(embedded, "choose_port", lambda _settings: 3917)
        api = yard.script("api", SLEEPER, order=20)
        stack, _ = embedded.start(yard.settings, lambda _: [api])
        with pytest.raises(PortLost):
            readiness.wait_until_ready(stack)
    finally:
        other.kill()
        other.wait()


def test_who_finds_a_stack_that_lost_its_port_waits_for_the_next_one(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, wait_until: WaitUntil
) -> None:
    """Whoever started it stops it; until then every look at it would be the same."""
    stack = embedded.RunningStack(yard.settings.home, "127.0.0.1", 3917, True)
    looked: list[int] = []

    def start(*_: object, **__: object) -> tuple[embedded.RunningStack, bool]:
        looked.append(len(looked))
        return stack, False

    def lost(*_: object) -> None:
        if embedded.find(yard.settings.home):
            raise PortLost

    stopped = threading.Event()
    monkeypatch.setattr(embedded, "start", start)
    monkeypatch.setattr(embedded, "find", lambda _: None if stopped.is_set() else stack)
    monkeypatch.setattr(launch, "wait_until_ready", lost)
    with ThreadPoolExecutor(1) as other:
        launching = other.submit(launch.launch, yard.settings)
        wait_until(lambda: looked, what="it was found")
        stopped.set()
        assert launching.result(60) == (stack, False)
    assert len(looked) <= 2


class TestPorts:
    def test_a_taken_port_means_the_next_free_one(self, home: Path) -> None:
        with ExitStack() as stack:
            # Held by us, or by somebody else already.
            with suppress(OSError):
                stack.enter_context(socket.create_server(("127.0.0.1", 3000)))
            assert choose_port(Settings.load()) > 3000

    def test_a_port_chosen_on_purpose_is_used_or_refused(self, home: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other_program:
            taken = other_program.getsockname()[1]
            with pytest.raises(PortInUse, match=rf"Port {taken} .* in use .*--port or CONDUCTOR_P"):
                choose_port(Settings.load(port=taken))
        assert choose_port(Settings.load(port=taken)) == taken
