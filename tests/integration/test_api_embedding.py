"""A host application that embeds Conductor: its own routes stay, ours come beside them."""

from pathlib import Path

import pytest
from flask import Flask

import conductor_app
from conductor_app import bootstrap
from conductor_app.queue import MemoryQueue
from conductor_app.settings import Settings
from conductor_app.store import migrations


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
