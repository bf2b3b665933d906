"""What is chosen when an order leaves it open, and what is said about it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conductor_app import launch
from conductor_app.errors import InvalidInput
from conductor_app.launch import NoSuchConnector, Order
from conductor_app.settings import Settings
from conductor_app.workflows import loader

FUNCTIONS = """
name: functions
title: Functions
agents: {models: {function: "a:b"}}
phases:
  - {number: 0, name: Only, tasks: [{key: a, title: A, agent: models, files: false}]}
"""


def prepare(order: Order, **settings: Any) -> launch.Launch:
    # Nothing of these orders is in a database.
    return launch.prepare(None, order, Settings.load(**settings))  # type: ignore[arg-type]


def test_the_bundled_workflow_ends_with_what_is_recorded() -> None:
    prepared = prepare(Order())
    assert prepared.wanted.workflow.name == "project-conductor"
    assert prepared.wanted.target_phase is not None
    assert prepared.note is not None
    assert f"Phase {prepared.wanted.target_phase} is the last one recorded" in prepared.note


def test_one_phase_that_is_not_recorded_is_one() -> None:
    template = FUNCTIONS + "  - {number: 1, name: Next, tasks: [{key: b, title: B, agent: api}]}\n"
    note = prepare(Order(template=template)).note
    assert str(note).endswith("so the run ends there; phase 1 needs a model.")


def test_a_target_before_that_needs_no_note() -> None:
    prepared = prepare(Order(target_phase=0))
    assert (prepared.wanted.target_phase, prepared.note) == (0, None)


def test_a_target_after_it_is_kept_and_warned_of() -> None:
    prepared = prepare(Order(target_phase=5))
    assert prepared.wanted.target_phase == 5
    assert "will fail" in str(prepared.note)


def test_agents_that_are_functions_need_no_recording() -> None:
    prepared = prepare(Order(template=FUNCTIONS))
    assert (prepared.wanted.target_phase, prepared.note) == (None, None)


def test_recordings_of_ones_own_count(tmp_path: Path) -> None:
    template = FUNCTIONS.replace('agents: {models: {function: "a:b"}}\n', "")
    recorded = tmp_path / "functions" / "0-a.1.jsonl"
    recorded.parent.mkdir()
    recorded.touch()
    assert prepare(Order(template=template), recordings=tmp_path).note is None
    with pytest.raises(InvalidInput, match="no recording"):
        prepare(Order(), recordings=tmp_path)


def test_only_phases_of_the_run_can_be_replayed_before_it_begins() -> None:
    with pytest.raises(InvalidInput, match=r"phases 0 to 1; it can't begin with phase 2"):
        prepare(Order(replay_before=2))


def test_a_template_without_recording_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no recording"):
        prepare(Order(template=FUNCTIONS.replace('agents: {models: {function: "a:b"}}\n', "")))


@pytest.mark.parametrize(
    ("order", "settings"),
    [
        (Order(connector="oracle"), {}),
        (Order(), {"connector": "oracle"}),
        (Order(template=FUNCTIONS, connector="nothing"), {}),
        (Order(template=FUNCTIONS.replace('function: "a:b"', "connector: oracle")), {}),
    ],
)
def test_connectors_that_this_version_lacks(order: Order, settings: dict[str, Any]) -> None:
    with pytest.raises(NoSuchConnector, match="replay"):
        prepare(order, **settings)


def test_a_key_in_the_environment_chooses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test")
    assert prepare(Order()).wanted.connector is None


def test_automatic_advance_is_the_settings_unless_said() -> None:
    assert prepare(Order()).wanted.auto_advance is True
    assert prepare(Order(), auto_advance=False).wanted.auto_advance is False
    assert prepare(Order(auto_advance=True), auto_advance=False).wanted.auto_advance is True


@pytest.mark.parametrize(
    ("connectors", "costs"),
    [("replay", False), ("function", False), ("function, replay", False), ("claude, replay", True)],
)
def test_only_live_models_are_said_to_cost_money(connectors: str, costs: bool) -> None:
    told = launch.label_of(connectors)
    assert told.startswith(f"{connectors}: ")
    assert "cost money; agents" not in told
    assert ("cost money" in told) is costs
    assert ("nothing is spent" in told) is not costs


def test_what_is_a_python_function_is_no_live_model() -> None:
    told = "claude, codex: live models, which cost money; agents that are Python functions"
    assert launch.label_of("claude, codex, function") == told


CHANGE = Order(workflow="change", inputs={"prompt": "Say hello"})


def test_a_review_that_nobody_can_be_asked_for_is_told_of_before_the_start(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setenv("CONDUCTOR_LIVE_CALLS", "true")
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-test-of-deepseek")
    note = str(prepare(replace(CHANGE, connector="deepseek")).note)
    assert note.startswith("Validator can't work with claude2 (")
    assert ", no key), so nobody reviews the work. Set " in note
    monkeypatch.setenv("CONDUCTOR_CLAUDE2_API_KEY", "sk-test-of-claude2")
    assert prepare(replace(CHANGE, connector="deepseek")).note is None


def test_a_run_without_a_key_is_refused_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setenv("CONDUCTOR_LIVE_CALLS", "true")
    workflow = loader.load("change").workflow
    with pytest.raises(launch.NotReady, match=r"claude can.t work.*no key.*Set ANTHROPIC_API_KEY"):
        launch.require_ready(workflow, CHANGE, Settings.load())
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-of-openai")
    launch.require_ready(workflow, replace(CHANGE, connector="codex"), Settings.load())
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test-of-anthropic")
    launch.require_ready(workflow, CHANGE, Settings.load())


def test_what_takes_no_key_needs_none(home: Path) -> None:
    workflow = loader.load("project-conductor").workflow
    launch.require_ready(workflow, Order(), Settings.load())


AGENTS = "agents: {implementor: {effort: high}, validator: {effort: low}, tester: {effort: low}}"


def strangers(home: Path, text: str, order: Order = CHANGE, **settings: Any) -> str:
    (home / "conductor.yml").write_text(f"connectors: {{{text}}}")
    return str(prepare(replace(order, **settings)).note)


def test_settings_of_an_agent_that_there_is_not_are_told(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    """Else a misspelt name would run with other settings, and nobody would know."""
    monkeypatch.setenv("CONDUCTOR_LIVE_CALLS", "true")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test-of-anthropic")
    note = strangers(home, f"claude: {{{AGENTS}}}")
    assert "connectors.claude.agents.implementor: the workflow change has no such agent" in note
    assert "Did you mean `implementer`?" in note
    assert "connectors.claude.agents.tester: the workflow change has no such agent" in note
    assert "It has: implementer, validator." in note
    assert "agents.validator" not in note
    reviewers = "claude2: {agents: {validater: {effort: low}}}"
    assert "claude2.agents.validater" in strangers(home, reviewers)
    program = f"command: {{{AGENTS.replace('effort: ', 'model: ')}}}"
    assert "connectors.command.agents.tester" in strangers(home, program, connector="command")


def test_settings_of_what_does_not_work_here_are_nobodys_matter(home: Path) -> None:
    order = Order(template=FUNCTIONS)
    assert strangers(home, f"claude: {{{AGENTS}}}", order) == "None"
    # Of another workflow: all the agents that come with Conductor are known.
    known = "claude: {agents: {api: {effort: low}}}"
    assert "connectors.claude" not in strangers(home, known, CHANGE)
    # Whoever works with them is told what is wrong.
    assert "connectors.claude" not in strangers(home, "claude: {modle: x}", order)
