"""What an execution may cost is said before its first task."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conductor_app.domain.workflow import AgentSpec
from conductor_app.settings import Settings
from conductor_app.views import current
from conductor_app.views.outlook import outlook
from tests.fakes.engine import Engine, engine_on, phase, task, workflow


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as engine:
        yield engine


def told(engine: Engine, home: Path, flow: Any, connector: str | None, **settings: Any) -> str:
    id_ = engine.start(flow, connector=connector)
    with engine.reading() as tx:
        return "\n".join(outlook(tx, current.execution(tx, id_), Settings.load(home, **settings)))


ONE = workflow(phase(task("a")))


def test_a_model_its_price_and_what_the_budgets_leave(engine: Engine, home: Path) -> None:
    assert told(engine, home, ONE, "claude") == (
        "claude is claude-sonnet-5-5: 2 USD per million tokens in, 10 USD out\n"
        "At most 500.00 USD and 1,000,000 tokens: so much the budgets leave"
    )


def test_the_smallest_budget_counts(engine: Engine, home: Path) -> None:
    flow = workflow(phase(task("a")), budget={"usd": "3.5", "tokens": 20_000})
    assert "At most 3.50 USD and 20,000 tokens" in told(engine, home, flow, "codex")
    assert "At most 2.00 USD and 20,000" in told(engine, home, flow, "codex", daily_usd=2)
    flow = workflow(phase(task("a")), budget={"usd": "0.004"})
    assert "At most 0.004 USD and 1,000,000" in told(engine, home, flow, "codex")


def test_the_models_of_agents_are_told_each(engine: Engine, home: Path) -> None:
    agents = {
        "api": AgentSpec(name="api", connector="codex", model="gpt-6-luna"),
        "models": AgentSpec(name="models", connector="replay"),
    }
    flow = workflow(phase(task("a", agent="api"), task("b", agent="models")), agents=agents)
    said = told(engine, home, flow, None)
    assert "codex is gpt-6-luna: 0.1 USD per million tokens in, 0.5 USD out" in said
    assert "replay" not in said


def test_an_unknown_price_is_told(
    engine: Engine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONDUCTOR_CLAUDE_MODEL", "cloud-5")
    assert "claude is cloud-5: nobody knows its price" in told(engine, home, ONE, "claude")
    (home / "conductor.yml").write_text("prices: {anthropic/cloud-5: {input: 1.25, output: 7}}")
    said = told(engine, home, ONE, "claude")
    assert "cloud-5: 1.25 USD per million tokens in, 7 USD out" in said


def test_of_a_program_it_is_told_who_counts(
    engine: Engine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "claude-code: each call" in told(engine, home, ONE, "command")
    monkeypatch.setenv("CONDUCTOR_COMMAND_PROGRAM", "gemini")
    assert "gemini: soft cap" in told(engine, home, ONE, "command")


def test_the_model_and_price_behind_the_gateway_are_told(
    engine: Engine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = "each call of its model is reserved and counted at the gateway. It works with"
    said = told(engine, home, ONE, "command")
    price = "2 USD per million tokens in, 10 USD out"
    assert f"command is claude-code: {gateway} claude-sonnet-5-5: {price}" in said
    monkeypatch.setenv("CONDUCTOR_COMMAND_MODEL", "claude-opus-5-5")
    price = "4 USD per million tokens in, 20 USD out"
    assert f"{gateway} claude-opus-5-5: {price}" in told(engine, home, ONE, "command")
    agent = AgentSpec(name="api", connector="command", model="cloud-5")
    flow = workflow(phase(task("a", agent="api")), agents={"api": agent})
    assert f"{gateway} cloud-5: nobody knows its price" in told(engine, home, flow, None)


def test_of_a_soft_cap_it_is_told_what_is_known(
    engine: Engine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONDUCTOR_COMMAND_PROGRAM", "gemini")
    said = told(engine, home, ONE, "command")
    assert "counted afterwards. Its model and price are its own choice, not known here" in said
    monkeypatch.setenv("CONDUCTOR_COMMAND_MODEL", "gemini-2.5-flash")
    assert "It works with gemini-2.5-flash: 0.3 USD per" in told(engine, home, ONE, "command")
    monkeypatch.setenv("CONDUCTOR_COMMAND_MODEL", "cloud-5")
    said = told(engine, home, ONE, "command")
    assert "It works with cloud-5, at a price that is not known here" in said


def test_what_costs_nothing_says_nothing(engine: Engine, home: Path) -> None:
    assert told(engine, home, ONE, "replay") == ""
