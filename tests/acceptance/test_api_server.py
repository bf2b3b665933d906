"""The API as a process of its own: its address, its streams, its end, and being killed."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from conductor_app import bootstrap
from conductor_app.bootstrap import Conductor
from conductor_app.engine import control
from conductor_app.queue import MemoryQueue
from conductor_app.settings import Settings
from tests.api_caller import SMALL, repository
from tests.conftest import run_redis, wait_until
from tests.databases import give_schema
from tests.fakes.otlp_receiver import collector

SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A server process, and a client of it with the token."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.url = f"http://127.0.0.1:{settings.port}"
        self.log = settings.places.logs / "api.log"
        self.bearer = {"Authorization": f"Bearer {settings.api_token()}"}
        self.process: subprocess.Popen[bytes]

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "conductor_app.asgi"],
                env={**os.environ, **self.settings.environment()},
                stdout=log,
                stderr=log,
            )
        wait_until(self.lives, SECONDS, "the server lives")

    def lives(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return requests.get(f"{self.url}/api/v1/health/live", timeout=5).ok
        except requests.ConnectionError:
            return False

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(timeout=SECONDS)

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{self.url}{path}", headers=self.bearer, timeout=SECONDS)

    def post(self, path: str, body: Any = None, key: str | None = None) -> requests.Response:
        headers = {**self.bearer, **({"Idempotency-Key": key} if key else {})}
        url = f"{self.url}/api/v1{path}"
        return requests.post(url, json=body or {}, headers=headers, timeout=SECONDS)


@pytest.fixture
def server(settings: Settings) -> Iterator[Server]:
    give_schema(settings.database_url)
    running = Server(settings.model_copy(update={"port": free_port()}))
    running.start()
    yield running
    if running.process.poll() is None:
        running.stop(signal.SIGKILL)


@pytest.fixture
def conductor(settings: Settings) -> Iterator[Conductor]:
    with bootstrap.connected(settings, MemoryQueue()) as connected:
        yield connected


@pytest.fixture
def order(tmp_path: Path) -> dict[str, Any]:
    return {"project": str(repository(tmp_path / "repo")), "template": SMALL}


def test_it_is_ready_on_loopback_only(server: Server) -> None:
    ready = requests.get(f"{server.url}/api/v1/health/ready", timeout=SECONDS)
    assert ready.status_code == 200, ready.text
    states = {each["name"]: each["state"] for each in ready.json()["data"]["dependencies"]}
    assert (states["database"], states["broker"]) == ("up", "up")
    listening = {
        connection.laddr.ip
        for connection in psutil.Process(server.process.pid).net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


def test_it_works_and_asks_for_the_token(server: Server, order: dict[str, Any]) -> None:
    assert requests.get(f"{server.url}/api/v1/executions", timeout=SECONDS).status_code == 401
    started = server.post("/orchestrator/start", order)
    assert started.status_code == 200, started.text
    told = server.get("/api/v1/orchestrator/status").json()
    assert told["data"]["executionId"] == started.json()["data"]["executionId"]
    assert "server" not in started.headers


def test_a_body_without_a_length_is_refused_and_not_taken_for_none(server: Server) -> None:
    url = f"{server.url}/api/v1/orchestrator/stop"
    headers = {**server.bearer, "Content-Type": "application/json"}
    told = requests.post(url, data=iter([b"{", b"}"]), headers=headers, timeout=SECONDS)
    assert (told.status_code, told.json()["error"]["code"]) == (411, "length_required")


@pytest.mark.parametrize("moment", [0.0, 0.01, 0.03])
def test_killed_during_a_post_it_gives_the_same_answer_afterwards(
    server: Server, order: dict[str, Any], moment: float
) -> None:
    first: list[Any] = []

    def ask() -> None:
        with suppress(requests.ConnectionError):
            first.append(server.post("/executions", order, key="once").json())

    asking = threading.Thread(target=ask)
    asking.start()
    # The kill must come at some moment of the request: this is not a wait for anything.
    time.sleep(moment)
    server.stop(signal.SIGKILL)
    asking.join()
    server.start()
    second = server.post("/executions", order, key="once")
    third = server.post("/executions", order, key="once")
    assert second.status_code == 201, second.text
    assert second.json() == third.json()
    assert third.headers["Idempotent-Replayed"] == "true"
    assert all(each == second.json() for each in first)
    assert len(server.get("/api/v1/executions").json()["data"]["items"]) == 1


def test_killed_after_the_commit_it_gives_the_stored_answer(
    server: Server, order: dict[str, Any]
) -> None:
    first = server.post("/executions", order, key="once").json()
    server.stop(signal.SIGKILL)
    server.start()
    again = server.post("/executions", order, key="once")
    assert (again.status_code, again.json()) == (201, first)


def test_a_broker_that_is_away_costs_latency_only(home: Path, order: dict[str, Any]) -> None:
    settings = Settings.load(home, port=free_port(), broker_url="embedded", redis_url="embedded")
    give_schema(settings.database_url)
    server = Server(settings)
    with run_redis(settings):
        server.start()
        assert server.get("/api/v1/health/ready").status_code == 200
    try:
        ready = server.get("/api/v1/health/ready")
        assert ready.status_code == 503
        states = {
            each["name"]: each["state"] for each in ready.json()["error"]["details"]["dependencies"]
        }
        assert (states["database"], states["broker"]) == ("up", "down")
        started = server.post("/executions", order)
        assert started.status_code == 201, started.text
        assert settings.redis_password() not in ready.text + server.log.read_text()
    finally:
        server.stop(signal.SIGKILL)


@contextmanager
def stream(server: Server, execution_id: str, after: int | None = None) -> Iterator[Iterator[str]]:
    """The lines of the execution's event stream."""
    headers = {**server.bearer, **({} if after is None else {"Last-Event-ID": str(after)})}
    url = f"{server.url}/events?execution={execution_id}"
    with requests.get(url, headers=headers, stream=True, timeout=SECONDS) as response:
        assert response.status_code == 200
        assert response.headers["Content-Type"].startswith("text/event-stream")
        yield response.iter_lines(chunk_size=1, decode_unicode=True)


def until(lines: Iterator[str], wanted: str) -> list[int]:
    """Read up to an event of this type; the numbers of the events read."""
    numbers: list[int] = []
    for line in lines:
        if line.startswith("id: "):
            numbers.append(int(line.removeprefix("id: ")))
        if line == f"event: {wanted}":
            return numbers
    raise AssertionError(f"the stream ended before {wanted}")


def test_events_are_followed_as_they_happen_and_resumed_without_a_gap(
    server: Server, conductor: Conductor, order: dict[str, Any]
) -> None:
    id_ = server.post("/executions", order).json()["data"]["id"]
    with stream(server, id_) as lines:
        seen = until(lines, "execution.running")
        with conductor.transaction() as tx:
            control.pause(tx, id_)
        seen += until(lines, "execution.paused")
    with conductor.transaction() as tx:
        control.resume(tx, id_)
        control.cancel(tx, id_)
    with stream(server, id_, after=seen[-1]) as lines:
        seen += until(lines, "execution.cancelled")
    assert seen == list(range(1, len(seen) + 1))


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("?execution=none", {}, 404),
        ("", {}, 422),
        ("?execution=none", {"Authorization": "Bearer wrong"}, 401),
        ("?execution=none&token=x", {"Authorization": ""}, 401),
        ("?execution=none", {"Last-Event-ID": "-1"}, 422),
        ("?execution=none", {"Last-Event-ID": "9" * 30}, 422),
    ],
)
def test_streams_that_are_refused(
    server: Server, query: str, headers: dict[str, str], status: int
) -> None:
    told = requests.get(
        f"{server.url}/events{query}", headers={**server.bearer, **headers}, timeout=SECONDS
    )
    assert told.status_code == status
    assert told.json()["error"]["request_id"] == told.headers["X-Request-Id"]


def test_a_stream_of_a_database_without_schema_is_told_so(server: Server) -> None:
    with closing(sqlite3.connect(server.settings.home / "conductor.db")) as database:
        database.execute("DROP TABLE executions")
        database.execute("DROP TABLE alembic_version")
        database.commit()
    told = server.get("/events?execution=any")
    assert (told.status_code, told.json()["error"]["code"]) == (503, "no_schema")


def test_readers_that_go_away_leave_no_traceback_and_sigterm_ends_it_all(
    server: Server, order: dict[str, Any]
) -> None:
    id_ = server.post("/executions", order).json()["data"]["id"]
    for _ in range(3):
        with stream(server, id_) as lines:
            until(lines, "execution.running")
    with stream(server, id_) as lines:
        until(lines, "execution.running")
        assert server.stop(signal.SIGTERM) == 0
    assert "Traceback" not in server.log.read_text()


def test_what_it_traced_last_is_exported_before_it_ends(
    settings: Settings, order: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    give_schema(settings.database_url)
    with collector() as received:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "600000")
        server = Server(settings.model_copy(update={"port": free_port()}))
        server.start()
        server.post("/executions", order)
        assert server.stop(signal.SIGTERM) == 0
        assert received.named("POST /api/v1/executions")


@pytest.mark.parametrize(
    ("chosen", "said"),
    [({"host": "0.0.0.0"}, "CONDUCTOR_TOKEN"), ({"database_url": "mysql://x/y"}, "mysql")],
)
def test_settings_that_can_not_be_served_are_told_in_a_sentence(
    settings: Settings, chosen: dict[str, Any], said: str
) -> None:
    environment = settings.model_copy(update={"port": free_port(), **chosen}).environment()
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "conductor_app.asgi"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
