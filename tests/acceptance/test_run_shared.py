"""Runs that share the stack that one of them started, and what becomes of it when they end."""

import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import psutil
import pytest

from conductor_app.stack import embedded
from tests.trials import Trial

WaitUntil = Callable[..., None]


class Stranger(ThreadingHTTPServer):
    """Another program on a port that was Conductor's; keeps the tokens that it is told."""

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Listener)
        self.told: list[str | None] = []


class Listener(BaseHTTPRequestHandler):
    def answer(self) -> None:
        assert isinstance(self.server, Stranger)
        self.server.told.append(self.headers["Authorization"])
        self.send_error(404)

    do_GET = do_POST = answer

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def strangers() -> Iterator[Callable[[int], Stranger]]:
    started: list[Stranger] = []

    def start(port: int) -> Stranger:
        stranger = Stranger(port)
        started.append(stranger)
        Thread(target=stranger.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return stranger

    yield start
    for stranger in started:
        stranger.shutdown()
        stranger.server_close()


def test_the_last_run_out_stops_what_the_first_one_started(
    trial: Trial, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = trial.beside()
    first = trial.start(*trial.run())
    wait_until(lambda: "1/wait started" in trial.said.read_text(), 120, "the first one works")
    monkeypatch.setenv("AUTO_ADVANCE", "false")
    second = other.start(*other.run())
    wait_until(lambda: "1/wait started" in other.said.read_text(), 120, "the second one works")
    assert "the last run that uses it stops it" in other.said.read_text()
    assert "CONDUCTOR_AUTO_ADVANCE is true there, false here" in other.said.read_text()

    trial.signal.touch()
    assert first.wait(timeout=120) == 0, trial.said.read_text()
    assert "goes on: another run uses it" in trial.said.read_text()
    assert embedded.find(trial.home) is not None
    other.signal.touch()
    assert second.wait(timeout=120) == 0, other.said.read_text()
    assert embedded.find(trial.home) is None


def test_what_up_was_asked_for_outlives_the_run_that_started_it(
    trial: Trial, wait_until: WaitUntil
) -> None:
    running = trial.start(*trial.run())
    wait_until(lambda: "1/wait started" in trial.said.read_text(), 120, "it works")
    assert "already running" in trial.conductor("up").stdout
    trial.signal.touch()
    assert running.wait(timeout=120) == 0, trial.said.read_text()
    assert embedded.find(trial.home) is not None


def test_the_stack_of_a_run_that_was_killed_ends_by_itself(
    trial: Trial, wait_until: WaitUntil
) -> None:
    running = trial.start(*trial.run())
    wait_until(lambda: "1/wait started" in trial.said.read_text(), 120, "it works")
    running.kill()
    running.wait()
    wait_until(lambda: embedded.find(trial.home) is None, 60, "the stack has ended")
    way_on = f"conductor run --resume --project {trial.repository}"
    wait_until(lambda: way_on in trial.conductor("status").stdout, 30, "status says how to go on")
    trial.signal.touch()
    resumed = trial.conductor("run", "--resume", "--project", str(trial.repository))
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert embedded.find(trial.home) is None


def test_a_terminal_that_is_closed_pauses_the_run(trial: Trial, wait_until: WaitUntil) -> None:
    running = trial.start(*trial.run())
    wait_until(lambda: "1/wait started" in trial.said.read_text(), 120, "it works")
    # The terminal and the shell in it both send one.
    for _ in range(2):
        with suppress(ProcessLookupError):
            running.send_signal(signal.SIGHUP)
    assert running.wait(timeout=120) == 130
    assert "Hurrying" not in trial.said.read_text()
    assert embedded.find(trial.home) is None
    assert "is paused" in trial.conductor("status").stdout


def test_who_has_the_port_of_a_stack_that_is_gone_is_told_no_token(
    trial: Trial, wait_until: WaitUntil, strangers: Callable[[int], Stranger]
) -> None:
    assert trial.conductor("up").returncode == 0
    running = trial.start(*trial.run())
    wait_until(lambda: "1/wait started" in trial.said.read_text(), 120, "it works")
    stack = embedded.find(trial.home)
    assert stack is not None
    downed = trial.conductor("down")
    assert "A run uses it" in downed.stdout
    stranger = strangers(stack.port)

    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=30) == 130, trial.said.read_text()
    said = trial.said.read_text()
    assert "Conductor was stopped meanwhile" in said
    assert f"conductor run --resume --project {trial.repository}" in said
    assert [told for told in stranger.told if told] == []


def test_a_stack_that_comes_back_on_another_port_is_found_there(
    trial: Trial, wait_until: WaitUntil, strangers: Callable[[int], Stranger]
) -> None:
    assert trial.conductor("up").returncode == 0
    running = trial.start(*trial.run())
    wait_until(lambda: "1/wait started" in trial.said.read_text(), 120, "it works")
    stack = embedded.find(trial.home)
    assert stack is not None
    assert trial.conductor("down").returncode == 0
    stranger = strangers(stack.port)
    assert trial.conductor("up").returncode == 0

    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=60) == 130, trial.said.read_text()
    assert "is paused" in trial.conductor("status").stdout
    assert [told for told in stranger.told if told] == []


def test_a_stack_that_a_killed_run_and_its_guard_left_behind_is_told_and_stopped(
    trial: Trial, wait_until: WaitUntil
) -> None:
    running = trial.start(*trial.run())
    wait_until(lambda: "1/wait started" in trial.said.read_text(), 120, "it works")
    for process in psutil.process_iter(["cmdline"]):
        if (process.info["cmdline"] or [])[-2:] == ["conductor_app.stack.guard", str(trial.home)]:
            process.kill()
    running.kill()
    running.wait()
    assert "`conductor down` stops it" in trial.conductor("status").stdout
    assert trial.conductor("down").stdout == "Conductor is down.\n"
    assert embedded.find(trial.home) is None
