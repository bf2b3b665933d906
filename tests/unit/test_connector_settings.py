"""Settings of connectors: what wins, what is refused, and where a key is found and never shown."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from conductor_app import connector_keys, connector_settings
from conductor_app.connector_settings import ModelSettings
from conductor_app.errors import InvalidSettings
from conductor_app.settings import Settings

KEY = "sk-secret-0123456789"


def of(home: Path, connector: str, **wanted: Any) -> ModelSettings:
    return connector_settings.load(Settings.load(home)).of(connector, **wanted)


def write(home: Path, text: str) -> None:
    (home / "conductor.yml").write_text(text)


@pytest.mark.parametrize(
    ("connector", "model", "provider"),
    [
        ("claude", "claude-sonnet-5-5", "anthropic"),
        ("claude2", "claude-sonnet-5-5", "anthropic"),
        ("codex", "gpt-6.1-sol", "openai"),
        ("deepseek", "deepseek-flash", "deepseek"),
    ],
)
def test_defaults(tmp_path: Path, connector: str, model: str, provider: str) -> None:
    found = of(tmp_path, connector)
    assert (found.model, found.provider, found.connector) == (model, provider, connector)
    assert found.base_url.startswith("https://api.")
    assert found.key is None


def test_the_file_and_above_it_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "connectors:\n  claude: {model: one, effort: high, max_output_tokens: 9}\n")
    monkeypatch.setenv("CONDUCTOR_CLAUDE_MODEL", "two")
    monkeypatch.setenv("CONDUCTOR_CLAUDE_BASE_URL", "http://127.0.0.1:1/x/")
    found = of(tmp_path, "claude")
    assert (found.model, found.effort, found.max_output_tokens) == ("two", "high", 9)
    assert found.base_url == "http://127.0.0.1:1/x"
    assert of(tmp_path, "claude2").model == "claude-sonnet-5-5"


def test_how_many_turns_an_attempt_has_can_be_said_of_an_agent_too(tmp_path: Path) -> None:
    assert of(tmp_path, "claude").max_turns == 80
    write(tmp_path, "connectors:\n  claude: {max_turns: 20, agents: {api: {max_turns: 200}}}\n")
    assert (of(tmp_path, "claude").max_turns, of(tmp_path, "claude", agent="api").max_turns) == (
        20,
        200,
    )
    write(tmp_path, "connectors:\n  claude: {max_turns: 0}\n")
    with pytest.raises(InvalidSettings, match="max_turns"):
        of(tmp_path, "claude")


def test_what_is_said_of_an_agent_wins(tmp_path: Path) -> None:
    agents = "agents: {api: {model: own, effort: low}, models: {effort: max}}"
    write(tmp_path, f"connectors:\n  codex: {{model: one, {agents}}}\n")
    assert of(tmp_path, "codex", agent="test").model == "one"
    assert of(tmp_path, "codex", agent="test", model="workflows").model == "workflows"
    found = of(tmp_path, "codex", agent="api", model="workflows")
    assert (found.model, found.effort) == ("own", "low")
    found = of(tmp_path, "codex", agent="models", model="workflows")
    assert (found.model, found.effort) == ("workflows", "max")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("connectors: {claude: {modle: x}}", r"connectors\.claude: .*Did you mean `model`"),
        ("connectors: {cloude: {}}", "Did you mean `claude`"),
        ("conectors: {}", "Did you mean `connectors`"),
        ("connectors: {claude: {max_output_tokens: many}}", "max_output_tokens is 'many'"),
        (
            "connectors: {claude: {agents: {api: {silence: 3}}}}",
            "agents.api: `silence` is a setting of the connector and not of one agent",
        ),
        ("connectors: {claude: {agents: {api: {silense: 3}}}}", "agents.api: there is no setting"),
        ("connectors: {claude: {base_url: api.example.com}}", "start with https://"),
        ("connectors: {claude: {effort: hihg}}", "effort is 'hihg'"),
        ("connectors: [claude]", "must be a mapping"),
        ("- connectors", "must be a mapping"),
        ("connectors: {", "no valid YAML"),
    ],
)
def test_mistakes_in_the_file_are_told(tmp_path: Path, text: str, words: str) -> None:
    write(tmp_path, text)
    with pytest.raises(InvalidSettings, match=words) as mistake:
        of(tmp_path, "claude")
    assert "conductor.yml" in mistake.value.message


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("CONDUCTOR_CLAUDE_MODLE", "x", "CONDUCTOR_CLAUDE_MODLE: there is.*Did you mean `model`"),
        ("CONDUCTOR_CODEX_SILENCE", "soon", "CONDUCTOR_CODEX_SILENCE: silence is 'soon'"),
    ],
)
def test_mistakes_in_the_environment_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidSettings, match=words):
        of(tmp_path, "claude")


def test_a_key_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", f" {KEY}\n")
    for connector in ("claude", "claude2"):
        key = of(tmp_path, connector).key
        assert key is not None
        assert (key.secret.get_secret_value(), key.source) == (KEY, "ANTHROPIC_API_KEY")
    monkeypatch.setenv("CONDUCTOR_CLAUDE2_API_KEY", "another")
    own = of(tmp_path, "claude2").key
    assert own is not None
    assert own.source == "CONDUCTOR_CLAUDE2_API_KEY"


def test_a_key_of_a_file_is_shared_with_the_second_claude(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    write(tmp_path, f"connectors: {{claude: {{key_file: {tmp_path / 'key'}}}}}")
    key = of(tmp_path, "claude2").key
    assert key is not None
    assert key.source == f"the file {tmp_path / 'key'}"


def test_an_agent_has_a_key_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a variable or a file that is named for it, whatever the connector's is."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("TEAM_KEY", "sk-of-the-team-01")
    (tmp_path / "key").write_text("sk-of-the-file-01")
    agents = f"{{api: {{key_variable: TEAM_KEY}}, test: {{key_file: {tmp_path / 'key'}}}}}"
    write(tmp_path, f"connectors: {{claude: {{agents: {agents}}}}}")
    found = {name: of(tmp_path, "claude", agent=name).key for name in ("api", "test", "models")}
    assert {name: key.source for name, key in found.items() if key} == {
        "api": "TEAM_KEY",
        "test": f"the file {tmp_path / 'key'}",
        "models": "ANTHROPIC_API_KEY",
    }
    monkeypatch.delenv("TEAM_KEY")
    with pytest.raises(InvalidSettings, match="TEAM_KEY, which the settings name as"):
        _ = of(tmp_path, "claude", agent="api").key


def test_an_agent_has_an_address_of_its_own(tmp_path: Path) -> None:
    agents = "{api: {base_url: 'http://127.0.0.1:1/'}}"
    write(tmp_path, f"connectors: {{codex: {{base_url: 'http://127.0.0.1:2', agents: {agents}}}}}")
    assert of(tmp_path, "codex", agent="api").base_url == "http://127.0.0.1:1"
    assert of(tmp_path, "codex", agent="models").base_url == "http://127.0.0.1:2"


@pytest.mark.parametrize(
    ("content", "words"),
    [("", "is empty"), ("two words", "no key"), ("two\nlines", "no key"), (None, "can't be read")],
)
def test_a_file_that_holds_no_key(tmp_path: Path, content: str | None, words: str) -> None:
    if content is not None:
        (tmp_path / "key").write_text(content)
    write(tmp_path, f"connectors: {{codex: {{key_file: {tmp_path / 'key'}}}}}")
    with pytest.raises(InvalidSettings, match=words) as mistake:
        _ = of(tmp_path, "codex").key
    assert not content or content not in mistake.value.message


def test_a_key_of_the_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is optional, so a stand-in shows how it is asked."""
    keyring, errors = ModuleType("keyring"), ModuleType("keyring.errors")
    errors.KeyringError = type("KeyringError", (Exception,), {})  # type: ignore[attr-defined]

    kept = [("conductor", "deepseek"), ("conductor", "claude/api")]

    def get_password(service: str, name: str) -> str | None:
        if name == "codex":
            raise errors.KeyringError
        return KEY if (service, name) in kept else None

    keyring.get_password = get_password  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    key = of(tmp_path, "deepseek").key
    assert key is not None
    assert key.source == "the keyring"
    assert of(tmp_path, "codex").key is None
    assert of(tmp_path, "claude2").key is None
    assert of(tmp_path, "claude").key is None
    assert of(tmp_path, "claude", agent="api").key is not None


def test_a_key_is_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSEEK_API_KEY", KEY)
    found = of(tmp_path, "deepseek")
    assert KEY not in f"{found!r} {found.key!r} {found} {vars(found)}"
    assert "DEEPSEEK_API_KEY" in connector_keys.advice("deepseek")


def test_tests_may_call_nobody_else(tmp_path: Path) -> None:
    assert not of(tmp_path, "claude").live_calls
