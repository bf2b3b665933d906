"""What a run says before its first task."""

from collections.abc import Iterator

import pytest

from conductor_app.cli.run_announcement import announcement
from conductor_app.views import current
from tests.fakes.engine import Engine, engine_on, phase, task, workflow

FLOW = workflow(phase(task("a")), phase(task("b")))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as engine:
        yield engine


def told(
    engine: Engine, connectors: str = "replay", *, resumed: bool = False, **wanted: int
) -> list[str]:
    id_ = engine.start(FLOW, **{"target_phase": 0, **wanted})
    with engine.reading() as tx:
        execution = current.execution(tx, id_)
        outlook = ["claude is dear"] if connectors != "replay" else []
        return [*announcement(tx, execution, connectors, outlook, resumed=resumed)]


def test_workflow_connector_and_repository(engine: Engine) -> None:
    first, connector, repository = told(engine)
    assert first == f"Workflow {FLOW.name}: {FLOW.title}, up to phase 0 (Phase 0)"
    assert connector.startswith("Connector replay: recorded turns")
    assert "nothing is spent" in connector
    assert repository.startswith("Repository /nowhere/demo, branch conductor/")


def test_one_that_is_resumed_goes_on(engine: Engine) -> None:
    assert told(engine, resumed=True)[0].startswith(f"Workflow {FLOW.name} goes on: ")


def test_a_key_in_the_environment_is_said_to_choose_nothing(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "not-a-key")
    lines = told(engine)
    assert "Not used: ANTHROPIC_API_KEY. A key alone never chooses a paid model" in lines
    assert "not-a-key" not in "".join(lines)


def test_of_a_live_model_the_cost_is_told_and_no_key_called_unused(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "not-a-key")
    lines = told(engine, "claude, replay")
    assert lines[1] == "Connector claude, replay: live models, which cost money"
    assert lines[2] == "  claude is dear"
    assert "Not used" not in "".join(lines)


def test_what_is_replayed_before_a_live_model_works_costs_nothing(engine: Engine) -> None:
    connector = told(engine, "claude, replay", target_phase=1, replay_before=1)[1]
    assert connector.endswith("cost money; phase 0 is replayed, which costs nothing")
