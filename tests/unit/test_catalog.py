"""The built-in agents are those of documents 000 and 002."""

import pytest

from conductor_app.catalog import AGENTS
from conductor_app.domain import graph

# name: depends on, base seconds, lowest and highest multiplier, priority, phases with capabilities
DOCUMENT = {
    "models": (set(), 20, 0.5, 1.5, 10, {0, 1, 2, 3, 4, 5}),
    "api": ({"models"}, 30, 1.5, 3.0, 8, {0, 1, 2, 3, 4, 5}),
    "realtime": ({"models", "api"}, 45, 0.2, 2.0, 7, {1, 2, 3, 4, 5}),
    "quality": ({"models", "api"}, 50, 0.2, 2.5, 6, {1, 2, 3, 4, 5}),
    "test": ({"api", "models"}, 60, 0.5, 2.5, 5, {0, 1, 2, 3, 4, 5}),
    "integration": ({"models", "api", "quality"}, 70, 2.0, 2.0, 4, {5}),
}


# name: the first of its skills, its connector
ROLES = {
    "analyst": ("requirements analysis", "claude"),
    "implementer": ("API development", "claude"),
    "validator": ("code review", "claude2"),
    "integrator": ("CI/CD", "claude"),
    "reasoner": ("algorithm optimization", "deepseek"),
}


def test_there_are_the_six_and_the_five_roles() -> None:
    assert set(AGENTS) == {*DOCUMENT, *ROLES}


@pytest.mark.parametrize("name", ROLES)
def test_a_role_can_do_the_same_in_every_phase(name: str) -> None:
    agent = AGENTS[name]
    assert (agent.skills[0], agent.connector) == ROLES[name]
    assert agent.abilities(0) == agent.abilities(7) == agent.skills
    assert len(agent.skills) == 3


@pytest.mark.parametrize("name", DOCUMENT)
def test_an_agent_has_its_documented_values(name: str) -> None:
    agent = AGENTS[name]
    depends_on, base, lowest, highest, priority, phases = DOCUMENT[name]
    assert set(agent.depends_on) == depends_on
    assert (agent.base_seconds, agent.priority) == (base, priority)
    assert (min(agent.multipliers.values()), max(agent.multipliers.values())) == (lowest, highest)
    assert set(agent.multipliers) == set(agent.capabilities) == phases
    assert all(agent.capabilities.values())


def test_titles_are_written_as_in_the_document() -> None:
    assert AGENTS["models"].title == "Agent Models"


def test_nobody_depends_on_itself_in_the_end() -> None:
    assert graph.find_cycle({name: agent.depends_on for name, agent in AGENTS.items()}) is None
