"""What a run is to do, settled before anything starts."""

from pathlib import Path

import pytest

from conductor_app.cli.run_order import NoSuchConnector, NothingRecorded, settle
from conductor_app.errors import InvalidInput, InvalidWorkflow, NotFound

UNRECORDED = """\
name: unrecorded
title: Unrecorded
description: Nobody recorded it.
phases:
  - number: 0
    name: Only
    goal: Be there
    tasks:
      - {key: work, title: Work, agent: models, prompt: Do it.}
"""
FUNCTIONS = """\
name: functions
title: Functions
description: Its agent is Python.
agents:
  calc: {title: Calculator, function: "some.module:Calculator"}
phases:
  - number: 0
    name: Only
    goal: Be there
    tasks:
      - {key: work, title: Work, agent: calc, prompt: Do it., files: false}
"""


@pytest.fixture
def unrecorded(tmp_path: Path) -> str:
    file = tmp_path / "unrecorded.yml"
    file.write_text(UNRECORDED)
    return str(file)


def test_the_default_ends_with_the_last_recorded_phase_and_says_so() -> None:
    order = settle()
    assert (order.connector, order.target_phase) == ("replay", 1)
    told = "\n".join(order.announcement())
    assert "up to phase 1 (Core Requirements Engine)" in told
    assert "recorded turns, written by people" in told
    assert "Cost: nothing" in told
    assert "2 (Traceability Engine)" in told


def test_a_key_in_the_environment_chooses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "not-a-key")
    order = settle()
    assert order.connector == "replay"
    told = "\n".join(order.announcement())
    assert "Not used: ANTHROPIC_API_KEY" in told
    assert "not-a-key" not in told


@pytest.mark.parametrize("way", ["connector", "configured"])
def test_a_connector_that_is_not_there_is_refused_with_those_that_are(way: str) -> None:
    with pytest.raises(NoSuchConnector, match=r"`claude`.*It has: replay"):
        settle(**{way: "claude"})


def test_an_agents_own_connector_is_refused_too(unrecorded: str) -> None:
    file = Path(unrecorded)
    file.write_text(UNRECORDED + "agents:\n  models: {connector: codex}\n")
    with pytest.raises(NoSuchConnector, match="codex"):
        settle(unrecorded)


def test_what_was_asked_for_goes_before_what_is_configured() -> None:
    assert settle(connector="replay", configured="claude").connector == "replay"


def test_a_workflow_without_recordings_can_not_be_replayed(unrecorded: str) -> None:
    with pytest.raises(NothingRecorded, match="no recording of its first phase"):
        settle(unrecorded)


def test_functions_need_neither_connector_nor_recording(tmp_path: Path) -> None:
    file = tmp_path / "functions.yml"
    file.write_text(FUNCTIONS)
    order = settle(str(file))
    assert (order.connector, order.target_phase) == (None, 0)
    assert "agents that are Python functions" in "\n".join(order.announcement())


def test_inputs_are_checked_before_anything_starts() -> None:
    assert settle(None, ["title=a=b"]).inputs == {"title": "a=b"}
    with pytest.raises(InvalidInput, match="name=value"):
        settle(None, ["title"])
    with pytest.raises(InvalidInput, match="did you mean `title`"):
        settle(None, ["titel=Wishes"])


@pytest.mark.parametrize(("given", "meant"), [(None, "normal"), ("high", "high"), ("7", 7)])
def test_priorities(given: str | None, meant: str | int) -> None:
    assert settle(priority=given).priority == meant


@pytest.mark.parametrize("given", ["hihg", "0", "101", "-1", "1.5"])
def test_what_is_no_priority(given: str) -> None:
    with pytest.raises(InvalidInput, match="low, normal, high, critical"):
        settle(priority=given)


def test_from_must_be_a_phase_of_the_run() -> None:
    assert settle(start=1).replay_before == 1
    with pytest.raises(InvalidInput, match="phases 0 to 1"):
        settle(start=2)


def test_a_workflow_that_is_not_there_or_broken(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="project-conductor"):
        settle("project-conducter")
    broken = tmp_path / "broken.yml"
    broken.write_text("name: x\nphases: [")
    with pytest.raises(InvalidWorkflow, match=r"broken\.yml"):
        settle(str(broken))
