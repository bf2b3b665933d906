"""From a template to tasks with full keys, needs and priorities; agents as overridden."""

from typing import Any

import pytest

from conductor_app.catalog import AGENTS
from conductor_app.domain.workflow import Workflow
from conductor_app.errors import NotFound

TEMPLATE: dict[str, Any] = {
    "name": "w",
    "title": "W",
    "agents": {
        "api": {"concurrency": 2, "priority": 9},
        "docs": {"depends_on": ["api"], "priority": 3, "multipliers": {1: 2.0}},
    },
    "phases": [
        {
            "number": 0,
            "name": "First",
            "tasks": [
                {"key": "types", "title": "T", "agent": "models", "milestone": "m"},
                {"key": "errors", "title": "E", "agent": "models"},
                {"key": "health", "title": "H", "agent": "api"},
                {"key": "guide", "title": "G", "agent": "docs", "files": False},
                {"key": "tests", "title": "X", "agent": "test", "needs": ["health", "0/types"]},
                {"key": "free", "title": "F", "agent": "test", "needs": []},
            ],
            "milestones": [{"key": "m", "name": "M"}],
        },
        {
            "number": 1,
            "name": "Second",
            "tasks": [{"key": "types", "title": "T", "agent": "models", "needs": ["0/types"]}],
        },
    ],
}


@pytest.fixture
def workflow() -> Workflow:
    return Workflow.model_validate(TEMPLATE)


def test_without_needs_a_task_depends_on_its_agents_dependencies(workflow: Workflow) -> None:
    needs = {task.key: task.needs for task in workflow.plan(AGENTS)}
    assert needs == {
        "0/types": (),
        "0/errors": (),
        "0/health": ("0/types", "0/errors"),
        "0/guide": ("0/health",),
        "0/tests": ("0/health", "0/types"),
        "0/free": (),
        "1/types": ("0/types",),
    }


def test_priorities_follow_the_formula_and_the_overrides(workflow: Workflow) -> None:
    priorities = {task.key: task.priority for task in workflow.plan(AGENTS)}
    assert priorities["0/types"] == 610
    assert priorities["0/health"] == 609
    assert priorities["0/guide"] == 603
    assert priorities["1/types"] == 510


def test_a_planned_task_knows_its_milestone_and_whether_it_needs_files(workflow: Workflow) -> None:
    tasks = {task.key: task for task in workflow.plan(AGENTS)}
    assert (tasks["0/types"].milestone, tasks["0/errors"].milestone) == ("0/m", None)
    assert (tasks["0/types"].files, tasks["0/guide"].files) == (True, False)
    assert tasks["0/guide"].spec is workflow.task("0/guide")


def test_a_template_overrides_only_what_it_names(workflow: Workflow) -> None:
    api = workflow.agent("api", AGENTS)
    assert (api.concurrency, api.priority, api.title) == (2, 9, "Agent API")
    assert api.depends_on == ("models",)
    assert AGENTS["api"].concurrency is None


def test_a_templates_own_agent_is_complete_by_defaults(workflow: Workflow) -> None:
    docs = workflow.agent("docs", AGENTS)
    assert (docs.name, docs.seconds(0), docs.seconds(1)) == ("docs", 30, 60)
    assert set(workflow.all_agents(AGENTS)) == {*AGENTS, "docs"}


def test_parts_are_found_by_key_or_the_nearest_is_named(workflow: Workflow) -> None:
    assert workflow.phase(1).name == "Second"
    assert workflow.milestone("0/m").name == "M"
    with pytest.raises(NotFound, match="no phase 2; its last is 1"):
        workflow.phase(2)
    with pytest.raises(NotFound, match="Did you mean `0/types`"):
        workflow.task("0/type")
    with pytest.raises(NotFound, match="Did you mean `models`"):
        workflow.agent("modles", AGENTS)


def test_a_workflow_survives_its_json_with_only_what_was_set(workflow: Workflow) -> None:
    check = {
        "name": "creates",
        "kind": "http",
        "service": "api",
        "requests": [{"method": "POST", "path": "/x", "json": {"a": 1}, "expect": {"id": None}}],
    }
    raw = {**TEMPLATE, "phases": [{**TEMPLATE["phases"][0], "exit_criteria": [check]}]}
    before = Workflow.model_validate(raw)
    after = Workflow.model_validate_json(before.model_dump_json(exclude_unset=True))
    assert after == before
    assert after.agent("api", AGENTS) == before.agent("api", AGENTS)


def test_a_workflow_is_frozen(workflow: Workflow) -> None:
    with pytest.raises(ValueError, match="frozen"):
        workflow.title = "Other"  # type: ignore[misc]
