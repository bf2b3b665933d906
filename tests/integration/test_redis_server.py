"""The embedded Redis server: private, durable, and good enough for a real Celery worker."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest
import redis

from conductor_app.settings import Settings
from conductor_app.stack import redis_server

RunningRedis = Callable[[Settings], AbstractContextManager["subprocess.Popen[bytes]"]]
WaitUntil = Callable[..., None]

CELERY_APP = """
from celery import Celery
from conductor_app.settings import Settings

app = Celery("trial", broker=Settings.load().celery_broker_url)
app.conf.task_ignore_result = True
"""


def test_nobody_gets_in_without_the_password(home: Path, running_redis: RunningRedis) -> None:
    settings = Settings.load()
    with running_redis(settings):
        stranger = redis.Redis(unix_socket_path=str(settings.redis_socket))
        with pytest.raises(redis.exceptions.AuthenticationError):
            stranger.ping()


def test_it_listens_on_a_private_socket_only(home: Path, running_redis: RunningRedis) -> None:
    settings = Settings.load()
    with running_redis(settings) as process:
        ports = [
            connection
            for connection in psutil.Process(process.pid).net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert ports == []
        assert settings.redis_socket.stat().st_mode & 0o777 == 0o700
    assert (settings.places.run / "redis.conf").stat().st_mode & 0o777 == 0o600


def test_messages_survive_its_death(
    home: Path, running_redis: RunningRedis, wait_until: WaitUntil
) -> None:
    settings = Settings.load()
    with running_redis(settings) as process:
        with redis.Redis.from_url(settings.redis_client_url) as client:
            client.lpush("queue", "hint")
            log = settings.places.redis / "appendonly.aof"
            wait_until(lambda: any(settings.places.redis.rglob("*.aof")), what=str(log))
        process.kill()
        process.wait()
    with (
        running_redis(settings),
        redis.Redis.from_url(settings.redis_client_url) as client,
    ):
        assert client.lrange("queue", 0, -1) == [b"hint"]


def test_it_never_evicts(home: Path, running_redis: RunningRedis) -> None:
    settings = Settings.load()
    with (
        running_redis(settings),
        redis.Redis.from_url(settings.redis_client_url, decode_responses=True) as client,
    ):
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}


@pytest.mark.parametrize("folder", ["", "a long path with spaces/" + "x" * 90])
def test_a_real_celery_worker_answers_over_it(
    home: Path,
    folder: str,
    running_redis: RunningRedis,
    tmp_path: Path,
    wait_until: WaitUntil,
) -> None:
    from celery import Celery

    from conductor_app.stack import datadir

    settings = Settings.load(home / folder if folder else None)
    datadir.prepare(settings.home)
    (tmp_path / "trial_app.py").write_text(CELERY_APP)
    command = [sys.executable, "-m", "celery", "--app=trial_app", "worker", "--pool=threads"]
    with running_redis(settings), (tmp_path / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [*command, "--concurrency=1"],
            cwd=tmp_path,
            env={**os.environ, **settings.environment()},
            stdout=log,
            stderr=log,
        )
        try:
            control = Celery(broker=settings.celery_broker_url).control
            wait_until(lambda: control.ping(timeout=0.5), seconds=30, what="the worker's pong")
        finally:
            worker.terminate()
            worker.wait(timeout=30)


def test_the_bundled_program_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bundled = redis_server.bundled_program()
    if bundled is None:
        pytest.skip("no wheel with Redis on this machine")
    (tmp_path / "redis-server").write_text("#!/bin/sh\n")
    (tmp_path / "redis-server").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert redis_server.find_program() == bundled


@pytest.mark.parametrize("name", ["redis-server", "valkey-server"])
def test_elsewhere_one_on_path_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("#!/bin/sh\n")
    (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(redis_server, "BUNDLING_PACKAGE", "no_such_package")
    assert redis_server.find_program() == tmp_path / name


def test_without_any_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(redis_server, "BUNDLING_PACKAGE", "no_such_package")
    with pytest.raises(redis_server.NoRedisServer, match=r"apt install redis-server.*REDIS_URL"):
        redis_server.find_program()
