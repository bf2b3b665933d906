"""What a run is asked to do, refused before anything starts."""

from pathlib import Path
from typing import Any

import pytest

from conductor_app.cli import run_order
from conductor_app.errors import InvalidInput, InvalidWorkflow, NotFound
from conductor_app.launch import NoSuchConnector, Order
from conductor_app.settings import Settings

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


def settle(workflow: str | None = None, *inputs: str, **options: Any) -> Order:
    return run_order.settle(Settings.load(), workflow, inputs, **options)


def test_a_built_in_workflow_is_ordered_by_its_name_and_the_rest_left_to_the_api() -> None:
    assert settle() == Order()
    assert settle("project-conductor") == Order()


def test_a_file_is_ordered_by_its_text_also_when_it_is_called_like_a_built_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "project-conductor"
    file.write_text(UNRECORDED)
    monkeypatch.chdir(tmp_path)
    recorded = tmp_path / "recordings" / "unrecorded" / "0-work.1.jsonl"
    recorded.parent.mkdir(parents=True)
    recorded.touch()
    monkeypatch.setenv("CONDUCTOR_RECORDINGS", str(tmp_path / "recordings"))
    assert settle("project-conductor").template == UNRECORDED


@pytest.mark.parametrize("way", ["option", "variable"])
def test_what_can_not_be_started_is_refused_as_the_api_does(
    monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "variable":
        monkeypatch.setenv("CONDUCTOR_CONNECTOR", "oracle")
    with pytest.raises(NoSuchConnector, match=r"`oracle`.*It has: .*replay.*CONDUCTOR_CONNECTOR"):
        settle(connector="oracle" if way == "option" else None)


def test_what_was_asked_for_goes_before_what_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDUCTOR_CONNECTOR", "claude")
    assert settle(connector="replay").connector == "replay"


def test_a_workflow_without_recordings_can_not_be_replayed(tmp_path: Path) -> None:
    file = tmp_path / "unrecorded.yml"
    file.write_text(UNRECORDED)
    with pytest.raises(InvalidInput, match="no recording of its first phase"):
        settle(str(file))


def test_inputs_are_checked_before_anything_starts() -> None:
    assert settle(None, "title=a=b").inputs == {"title": "a=b"}
    with pytest.raises(InvalidInput, match="name=value"):
        settle(None, "title")
    with pytest.raises(InvalidInput, match="did you mean `title`"):
        settle(None, "titel=Wishes")


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
