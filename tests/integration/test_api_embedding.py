"""A host application that embeds Conductor: its own routes stay, ours come beside them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

import conductor_app
from conductor_app import bootstrap
from conductor_app.queue import MemoryQueue
from conductor_app.settings import Settings
from conductor_app.store import migrations, schema


@pytest.fixture
def host() -> Flask:
    app = Flask("host")

    @app.get("/")
    def root() -> str:
        return "The host's own"

    @app.get("/api/v10")
    def near() -> str:
        return "Also the host's own"

    return app


def test_the_api_is_served_beside_the_host(home: Path, host: Flask) -> None:
    settings = Settings.load(home)
    migrations.upgrade(settings.database_url)
    with bootstrap.connected(settings, MemoryQueue()) as conductor:
        conductor_app.init_app(host, conductor)
        client = host.test_client()
        assert client.get("/").text == "The host's own"
        assert client.get("/api/v10").text == "Also the host's own"
        assert client.get("/api/v1/health/live").get_json()["success"] is True
        assert client.get("/api/v1/projects").status_code == 401
        bearer = {"Authorization": f"Bearer {settings.api_token()}"}
        listed = client.get("/api/v1/projects", headers=bearer).get_json()
        assert listed["data"]["items"] == []


@pytest.mark.parametrize("key", [None, "a key that was chosen"])
def test_a_fresh_data_directory_is_made_ready(
    tmp_path: Path, host: Flask, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    home = tmp_path / "fresh" / "home"
    monkeypatch.setenv("CONDUCTOR_HOME", str(home))
    if key:
        monkeypatch.setenv("CONDUCTOR_SECRET_KEY", key)
    conductor = conductor_app.initialize_orchestrator(host)
    assert conductor is not None
    bearer = {"Authorization": f"Bearer {conductor.settings.api_token()}"}
    listed = host.test_client().get("/api/v1/executions", headers=bearer)
    assert (listed.status_code, listed.get_json()["data"]["items"]) == (200, [])
    assert home.stat().st_mode & 0o777 == 0o700
    assert (home / "conductor.db").stat().st_mode & 0o777 == 0o600
    conductor.close()


def test_a_schema_that_is_there_is_nobody_s_to_change_in_passing(home: Path, host: Flask) -> None:
    settings = Settings.load(home)
    migrations.upgrade(settings.database_url)
    with bootstrap.connected(settings, MemoryQueue()) as conductor, conductor.transaction() as tx:
        tx.run(text("UPDATE alembic_version SET version_num = '0001'"))
        tx.run(text("ALTER TABLE attempts DROP COLUMN kept"))
    embedded = conductor_app.initialize_orchestrator(host)
    assert embedded is not None
    assert migrations.revision(settings.database_url) == "0001"
    embedded.close()


def test_hosts_that_start_at_once_make_one_schema(tmp_path: Path) -> None:
    home = tmp_path / "home"
    program = (
        "from flask import Flask; import conductor_app as c; c.initialize_orchestrator(Flask('h'))"
    )
    environment = {**os.environ, "CONDUCTOR_HOME": str(home)}
    hosts = [subprocess.Popen([sys.executable, "-c", program], env=environment) for _ in range(4)]
    assert [host.wait(60) for host in hosts] == [0] * 4
    found = migrations.revision(f"sqlite:///{home}/conductor.db")
    assert found == schema.known()[-1]


def test_neither_disturbs_the_other(home: Path, host: Flask) -> None:
    settings = Settings.load(home)
    migrations.upgrade(settings.database_url)
    with bootstrap.connected(settings, MemoryQueue()) as conductor:
        conductor_app.init_app(host, conductor)
        client = host.test_client()
        missing = client.get("/nothing")
        assert missing.mimetype == "text/html"
        assert "X-Frame-Options" not in missing.headers
        assert client.get("/api/v1/version").headers["X-Frame-Options"] == "DENY"


def test_enable_orchestrator_decides(
    home: Path, host: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENABLE_ORCHESTRATOR", "false")
    assert conductor_app.initialize_orchestrator(host) is None
    assert host.test_client().get("/api/v1/health/live").status_code == 404
    monkeypatch.setenv("ENABLE_ORCHESTRATOR", "true")
    migrations.upgrade(Settings.load(home).database_url)
    conductor = conductor_app.initialize_orchestrator(host)
    assert conductor is not None
    assert host.test_client().get("/api/v1/health/live").status_code == 200
    conductor.close()
