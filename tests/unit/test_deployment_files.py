"""Procfile and compose file run the same programs as `conductor up`, and publish to nobody else."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from conductor_app.settings import Settings
from conductor_app.stack.programs import programs_of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def embedded(home: Path) -> dict[str, list[str]]:
    """What `conductor up` runs of Conductor's own: module and arguments."""
    return {
        program.name: list(program.command[3:])
        for program in programs_of(Settings.load(flower=True))
        if program.name != "redis"
    }


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    loaded = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())
    return dict(loaded["services"])


def python_arguments(command: str) -> list[str]:
    words = shlex.split(command)
    assert words[:2] == ["python", "-m"], command
    return [word for word in words[2:] if not word.startswith(("--address", "--port"))]


def without_addresses(arguments: list[str]) -> list[str]:
    return [word for word in arguments if not word.startswith(("--address", "--port"))]


def test_the_procfile_runs_the_same_programs(embedded: dict[str, list[str]]) -> None:
    lines = [
        line.split(":", 1)
        for line in (ROOT / "Procfile").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    commands = {name: command.strip() for name, command in lines}
    assert commands.pop("release") == "conductor db upgrade"
    assert {name: python_arguments(command) for name, command in commands.items()} == {
        name: without_addresses(arguments) for name, arguments in embedded.items()
    }


def test_the_containers_run_the_same_programs(
    embedded: dict[str, list[str]], services: dict[str, Any]
) -> None:
    for name, arguments in embedded.items():
        command = services[f"orchestrator-{name}"]["command"]
        assert python_arguments(command) == without_addresses(arguments)


def test_the_containers_have_the_documents_names(services: dict[str, Any]) -> None:
    for name in ("api", "worker", "db", "redis"):
        assert services[f"orchestrator-{name}"]["container_name"] == f"orchestrator-{name}"


def test_ports_are_published_to_this_machine_only(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert len(published) == 2
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_no_secret_has_a_default(services: dict[str, Any]) -> None:
    text = (ROOT / "docker/compose.yaml").read_text()
    for name in ("CONDUCTOR_TOKEN", "CONDUCTOR_PASSWORD"):
        assert f"{name}:-" not in text
        assert f"{name}:?" in text


def test_settings_of_the_containers_are_settings(services: dict[str, Any]) -> None:
    environment = services["orchestrator-api"]["environment"]
    ours = {name for name in environment if name.startswith("CONDUCTOR_")}
    assert ours <= {f"CONDUCTOR_{name.upper()}" for name in Settings.model_fields}
