"""The agent for a task: registered, installed, named by the workflow, or driven by a connector."""

import sys
from importlib.metadata import EntryPoint

import pytest

from conductor_app.domain.workflow import AgentSpec
from tests.fakes.attempts import agent_task
from workers.agents.base import AgentContext, AgentResult, AgentTask, BaseAgent
from workers.agents.connector_agent import ConnectorAgent
from workers.agents.registry import AgentRegistry
from workers.extensions import BrokenExtension
from workers.failures import AttemptFailed

TASK = agent_task("1/a", agent="docs", title="Write", prompt="All of it.")


class DocsAgent(BaseAgent):
    """An agent as people write one: only what it must have."""

    def perform_task(self, task: AgentTask, context: AgentContext) -> AgentResult:
        return AgentResult(summary=f"wrote {task.title}")


class NamedAgent(DocsAgent):
    agent_type = "docs"
    name = "The writer"


NOT_AN_AGENT = dict


def docs(function: str | None = None) -> AgentSpec:
    return AgentSpec(
        name="docs",
        title="Docs writer",
        base_seconds=10,
        multipliers={1: 1.5},
        capabilities={1: ("write",)},
        function=function,
    )


def test_an_agent_goes_by_the_name_that_its_workflow_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """One class may do the tasks of several: each of them is the workflow's to name."""
    monkeypatch.setitem(sys.modules, "people_agents", sys.modules[__name__])
    spec = AgentSpec(name="writer", function="people_agents:NamedAgent")
    agent = AgentRegistry().resolve(spec)
    assert (agent.agent_type, agent.name) == ("writer", "The writer")
    assert agent.can_handle_task(agent_task("1/a", agent="writer"))
    assert not agent.can_handle_task(TASK)


def test_without_a_function_the_connector_does_the_work() -> None:
    agent = AgentRegistry().resolve(docs())
    assert isinstance(agent, ConnectorAgent)
    assert AgentRegistry().needs_connector(docs())
    assert not AgentRegistry().needs_connector(docs("people_agents:DocsAgent"))
    assert (agent.agent_type, agent.name, agent.description) == (
        "docs",
        "agent-docs",
        "Docs writer",
    )
    assert (agent.get_capabilities(1), agent.get_capabilities(2)) == (["write"], [])
    assert agent.estimate_task_duration(TASK) == 15_000
    assert agent.can_handle_task(TASK)


@pytest.mark.parametrize("name", ["DocsAgent", "NamedAgent"])
def test_a_function_named_by_the_workflow(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "people_agents", sys.modules[__name__])
    agent = AgentRegistry().resolve(docs(f"people_agents:{name}"))
    assert agent.agent_type == "docs"
    assert agent.name == ("The writer" if name == "NamedAgent" else "agent-docs")
    assert agent.can_handle_task(TASK)
    assert agent.estimate_task_duration(TASK) == 30_000
    assert agent.get_capabilities(1) == []


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("no_such_package:Agent", "could not be imported: No module named 'no_such_package'"),
        ("people_agents:Missing", "could not be imported"),
        (":Agent", "could not be imported"),
        ("people_agents:NOT_AN_AGENT", "gives a dict, which is no BaseAgent"),
    ],
)
def test_a_function_that_cannot_be_had(
    function: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "people_agents", sys.modules[__name__])
    with pytest.raises(AttemptFailed, match=words) as failure:
        AgentRegistry().resolve(docs(function))
    assert failure.value.kind == "AGENT_ERROR"
    assert not failure.value.retryable


def test_an_installed_agent_is_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "people_agents", sys.modules[__name__])
    entry = EntryPoint("docs-agent", "people_agents:DocsAgent", "conductor.agents")
    monkeypatch.setattr("workers.extensions.entry_points", lambda group: (entry,))
    registry = AgentRegistry()
    assert registry.names() == ["docs-agent"]
    assert registry.resolve(docs("docs-agent")).name == "agent-docs"


class Able(DocsAgent):
    description = "Writes"

    def get_capabilities(self, phase: int) -> list[str]:
        return ["words", "an outline"] if phase == 1 else ["words"]


class Unable(DocsAgent):
    def get_capabilities(self, phase: int) -> list[str]:
        raise ValueError("no words")


def test_installed_agents_tell_what_they_can_do(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One that is broken is named in the log, and is no reason for a worker not to start."""
    monkeypatch.setitem(sys.modules, "people_agents", sys.modules[__name__])
    entries = tuple(
        EntryPoint(name, f"people_agents:{found}", "conductor.agents")
        for name, found in (("acme.Able", "Able"), ("unable", "Unable"), ("gone", "Missing"))
    )
    monkeypatch.setattr("workers.extensions.entry_points", lambda group: entries)
    assert AgentRegistry().told() == {
        "acme.Able": {
            "title": "Writes",
            "skills": ["words"],
            "capabilities": {"1": ["an outline"]},
        }
    }
    assert "agent unable can do is not told: no words" in caplog.text
    assert "agent gone can do is not told" in caplog.text


def test_an_agent_that_is_not_installed_says_which_are() -> None:
    with pytest.raises(AttemptFailed, match="Nothing named 'docs-agent'"):
        AgentRegistry().resolve(docs("docs-agent"))


def test_a_registered_agent_comes_before_what_is_declared() -> None:
    registry = AgentRegistry()
    mine = NamedAgent()
    registry.register(mine)
    assert registry.resolve(docs()) is mine
    assert not registry.needs_connector(docs())
    assert registry.resolve(docs("no_such_package:Agent")) is mine
    assert registry.resolve(AgentSpec(name="api")).agent_type == "api"


def test_an_agent_without_a_type_cannot_be_registered() -> None:
    with pytest.raises(BrokenExtension, match="agent_type"):
        AgentRegistry().register(DocsAgent())


def test_a_tasks_description_is_its_title_and_prompt() -> None:
    assert TASK.description == "Write\n\nAll of it."
