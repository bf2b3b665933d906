"""What a connector lacks to work here is told before anything starts."""

import json
from pathlib import Path

import pytest

from conductor_app import catalog, connector_readiness
from conductor_app.connector_readiness import Readiness
from conductor_app.settings import Settings

KEY = "sk-secret-0123456789"


@pytest.fixture(autouse=True)
def live_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is called here."""
    monkeypatch.setenv("CONDUCTOR_LIVE_CALLS", "true")


def of(home: Path, connector: str, agent: str | None = None) -> Readiness:
    found = connector_readiness.of(connector, Settings.load(home), agent)
    assert KEY not in repr(found)
    return found


def test_replay_needs_nothing(tmp_path: Path) -> None:
    assert of(tmp_path, "replay").ready


@pytest.mark.parametrize("connector", ["claude", "claude2", "codex", "deepseek"])
def test_a_model_needs_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connector: str
) -> None:
    missing = of(tmp_path, connector)
    assert missing.found.endswith(", no key")
    assert f"Set {connector_readiness.connector_keys.VARIABLES[connector]}" in missing.lacks
    monkeypatch.setenv(connector_readiness.connector_keys.VARIABLES[connector], KEY)
    found = of(tmp_path, connector)
    assert found.ready
    assert found.found.endswith("_API_KEY")


def test_an_agents_own_key_is_enough_for_it(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "conductor.yml").write_text(
        f"connectors: {{codex: {{agents: {{api: {{key_file: {tmp_path / 'key'}}}}}}}}}"
    )
    assert of(tmp_path, "codex", "api").ready
    assert not of(tmp_path, "codex", "test").ready


def test_settings_that_are_wrong_are_told(tmp_path: Path) -> None:
    (tmp_path / "conductor.yml").write_text("connectors: {claude: {modle: x}}")
    assert "Did you mean `model`" in of(tmp_path, "claude").lacks


def test_a_file_without_a_key_is_told(tmp_path: Path) -> None:
    (tmp_path / "conductor.yml").write_text("connectors: {claude: {key_file: /nowhere/key}}")
    assert "/nowhere/key can't be read" in of(tmp_path, "claude").lacks


def test_a_variable_that_was_chosen_and_is_not_set_is_the_one_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The usual one may well be set: it is not looked at."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    (tmp_path / "conductor.yml").write_text("connectors: {claude: {key_variable: NOPE_KEY}}")
    assert of(tmp_path, "claude").lacks == (
        "NOPE_KEY, which the settings name as `key_variable`, is not set where Conductor runs. "
        "Set NOPE_KEY there, or remove `key_variable`."
    )


def test_other_machines_may_be_out_of_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("CONDUCTOR_LIVE_CALLS", "false")
    assert "CONDUCTOR_LIVE_CALLS" in of(tmp_path, "codex").lacks
    monkeypatch.setenv("CONDUCTOR_CODEX_BASE_URL", "http://127.0.0.1:8900/echo/v1")
    assert of(tmp_path, "codex").ready


def test_a_program_must_be_installed_and_its_model_have_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    advice = "Install it: `npm install -g @anthropic-ai/claude-code`."
    assert of(tmp_path, "command").lacks == f"There is no program `claude` on the PATH. {advice}"
    (tmp_path / "claude").write_text("#!/bin/sh\n")
    (tmp_path / "claude").chmod(0o755)
    assert "Set ANTHROPIC_API_KEY" in of(tmp_path, "command").lacks
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    assert of(tmp_path, "command").found.startswith("claude-code, through the gateway to claude-")
    monkeypatch.setenv("CONDUCTOR_COMMAND_MODEL", "claude-opus-5-5")
    assert "through the gateway to claude-opus-5-5" in of(tmp_path, "command").found


def test_a_program_of_ones_own_that_is_not_there_is_named_by_its_file(tmp_path: Path) -> None:
    def lacks(file: str) -> str:
        own = {"program": "my-agent", "argv": [file, "{prompt}"]}
        (tmp_path / "conductor.yml").write_text(json.dumps({"connectors": {"command": own}}))
        return of(tmp_path, "command").lacks

    assert lacks("no-such-agent") == (
        "There is no program `no-such-agent` on the PATH. Install it, or correct `argv` in the "
        "connector's settings."
    )
    assert lacks("/opt/no-such-agent").startswith("There is no program at `/opt/no-such-agent`. ")
    (tmp_path / "agent.sh").write_text("#!/bin/sh\n")
    unable = lacks(str(tmp_path / "agent.sh"))
    assert unable.startswith(f"`{tmp_path}/agent.sh` may not be executed. Give it the right to be")


def test_a_program_with_a_key_of_its_own_has_a_soft_cap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CONDUCTOR_COMMAND_PROGRAM", "gemini")
    (tmp_path / "gemini").write_text("#!/bin/sh\n")
    (tmp_path / "gemini").chmod(0o755)
    assert of(tmp_path, "command").lacks == "Set GEMINI_API_KEY or GOOGLE_API_KEY."
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    assert of(tmp_path, "command") == Readiness("gemini, soft cap")


def test_every_connector_can_be_asked(tmp_path: Path) -> None:
    assert all(of(tmp_path, name).found for name in catalog.CONNECTORS)
