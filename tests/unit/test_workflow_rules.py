"""The rules of a template that look at more than one field."""

from typing import Any

import pytest

from conductor_app.catalog import AGENTS
from conductor_app.domain.workflow import Problem, Workflow

Raw = dict[str, Any]


def task(key: str, agent: str = "models", **more: Any) -> Raw:
    return {"key": key, "title": key, "agent": agent, "prompt": "Do it", **more}


def phase(number: int, *tasks: Raw, **more: Any) -> Raw:
    return {"number": number, "name": f"Phase {number}", "tasks": list(tasks), **more}


def workflow(*phases: Raw, **more: Any) -> Workflow:
    return Workflow.model_validate({"name": "w", "title": "W", "phases": list(phases), **more})


def found(template: Workflow, **registered: Any) -> list[tuple[str, str]]:
    problems = template.problems(AGENTS, **registered)
    return [(problem.severity, problem.message) for problem in problems]


def only(template: Workflow, **registered: Any) -> Problem:
    problems = template.problems(AGENTS, **registered)
    assert len(problems) == 1, problems
    return problems[0]


def test_a_sound_template_has_no_problems() -> None:
    template = workflow(phase(0, task("a"), task("b", "api")), phase(1, task("a", needs=["0/a"])))
    assert found(template) == []


def test_phases_are_numbered_without_gaps_and_have_tasks() -> None:
    assert only(workflow(phase(1, task("a")))).loc == ("phases", 0, "number")
    assert found(workflow(phase(0))) == [("warning", "phase 0 `Phase 0` has no tasks")]


def test_keys_are_unique_in_a_phase_and_check_names_in_a_list() -> None:
    problem = only(workflow(phase(0, task("a"), task("a"))))
    assert problem.loc == ("phases", 0, "tasks", 1, "key")
    check = {"name": "c", "kind": "file", "path": "x"}
    problem = only(workflow(phase(0, task("a", checks=[check, check]))))
    assert problem.loc == ("phases", 0, "tasks", 0, "checks", 1, "name")


def test_a_cycle_is_named_once_with_all_its_tasks() -> None:
    tasks = (task("a", needs=["b"]), task("b", needs=["c"]), task("c", needs=["a"]))
    problem = only(workflow(phase(0, *tasks)))
    assert problem.message.startswith("tasks wait for each other: ")
    assert all(f"0/{key}" in problem.message for key in "abc")


def test_a_task_cannot_need_itself() -> None:
    assert "0/a -> 0/a" in only(workflow(phase(0, task("a", needs=["a"])))).message


def test_cycles_apart_are_each_named() -> None:
    tasks = (
        task("a", needs=["b"]),
        task("b", needs=["a"]),
        task("c", needs=["d"]),
        task("d", needs=["c"]),
    )
    assert len(found(workflow(phase(0, *tasks)))) == 2


def test_agents_that_depend_on_each_other_are_named() -> None:
    template = workflow(phase(0, task("a")), agents={"models": {"depends_on": ["api"]}})
    problem = only(template)
    assert problem.loc == ("agents", "models", "depends_on")
    assert "models" in problem.message and "api" in problem.message


def test_what_waits_behind_a_task_that_cannot_start_is_unreachable() -> None:
    template = workflow(
        phase(0, task("a", needs=["1/z"]), task("b", needs=["a"]), task("c", needs=["b"])),
        phase(1, task("z")),
    )
    messages = [message for _, message in found(template)]
    assert len(messages) == 3
    assert "needs `1/z` of a later phase" in messages[0]
    assert messages[1].startswith("`0/b` can never start: it waits for `0/a`")
    assert messages[2].startswith("`0/c` can never start: it waits for `0/b`")


def test_an_unknown_need_suggests_a_task_of_the_phase() -> None:
    problem = only(workflow(phase(0, task("base-types"), task("b", needs=["base-type"]))))
    assert (problem.loc[-2:], problem.suggestion) == (("needs", 0), "base-types")


def test_agents_must_be_known() -> None:
    assert only(workflow(phase(0, task("a", "modles")))).suggestion == "models"
    docs = {"docs": {"depends_on": ["apii"]}}
    assert only(workflow(phase(0, task("a", "docs")), agents=docs)).suggestion == "api"
    named = {"docs": {"name": "other"}}
    assert only(workflow(phase(0, task("a", "docs")), agents=named)).loc[-1] == "name"


def test_required_agents_must_have_a_task_in_the_phase() -> None:
    template = workflow(phase(0, task("a"), required_agents=["models", "test"]))
    assert only(template).loc == ("phases", 0, "required_agents", 1)


def test_milestones_need_a_task_that_names_them() -> None:
    milestone = {"key": "m", "name": "M"}
    template = workflow(phase(0, task("a"), milestones=[milestone]))
    assert only(template).loc == ("phases", 0, "milestones", 0)
    assert found(workflow(phase(0, task("a", milestone="m"), milestones=[milestone]))) == []
    problem = only(
        workflow(
            phase(0, task("a", milestone="m"), task("b", milestone="n"), milestones=[milestone])
        )
    )
    assert problem.loc == ("phases", 0, "tasks", 1, "milestone")


def test_a_milestones_required_agents_must_have_a_task() -> None:
    milestone = {"key": "m", "name": "M", "required_agents": ["api"]}
    template = workflow(phase(0, task("a", milestone="m"), milestones=[milestone]))
    assert only(template).loc == ("phases", 0, "milestones", 0, "required_agents", 0)


def test_checks_refer_to_services_and_tasks_that_exist() -> None:
    check = {"name": "c", "kind": "load", "path": "/", "service": "apii", "task": "aa"}
    template = workflow(
        phase(0, task("a"), exit_criteria=[check]), services={"api": {"run": "serve"}}
    )
    problems = template.problems(AGENTS)
    assert [(p.severity, p.suggestion) for p in problems] == [
        ("error", "api"),
        ("error", "a"),
        ("warning", None),
    ]


def test_a_rubric_is_judged_by_an_agent_that_exists() -> None:
    check = {"name": "c", "kind": "rubric", "criteria": ["good"]}
    assert found(workflow(phase(0, task("a"), tests=[check]))) == []
    problem = only(workflow(phase(0, task("a"), tests=[{**check, "agent": "validater"}])))
    assert (problem.loc[-1], problem.suggestion) == ("agent", "validator")
    functions = {"validator": {"name": "validator", "function": "a:b"}}
    problem = only(workflow(phase(0, task("a"), tests=[check]), agents=functions))
    assert "takes an agent with a connector" in problem.message


def test_a_review_is_of_what_came_to_the_branch() -> None:
    check = {"name": "c", "kind": "rubric", "criteria": ["good"]}
    problem = only(workflow(phase(0, task("a", checks=[check]))))
    assert "put it under a milestone" in problem.message


def test_a_check_waits_for_an_input_that_exists() -> None:
    check = {"name": "c", "kind": "command", "run": "true", "when": "thorough"}
    inputs = {"thorough": {"type": "boolean", "default": False}}
    assert found(workflow(phase(0, task("a", checks=[check])), inputs=inputs)) == []
    check["when"] = "thorouh"
    [unknown, unused] = workflow(phase(0, task("a", checks=[check])), inputs=inputs).problems(
        AGENTS
    )
    assert (unknown.loc[-1], unknown.suggestion) == ("when", "thorough")
    assert unused.loc == ("inputs", "thorough")


def test_functions_and_hooks_that_are_not_registered_are_warned_about() -> None:
    checks = [
        {"name": "c", "kind": "python", "function": "judgee"},
        {"name": "d", "kind": "python", "function": "checks/own.py:judge"},
    ]
    template = workflow(
        phase(
            0,
            task("a", "docs", milestone="m", checks=checks),
            hooks={"on_start": ["git.capture"], "on_end": ["unheard.of"]},
            milestones=[{"key": "m", "name": "M", "function": "judge"}],
        ),
        agents={"docs": {"function": "writer"}},
    )
    assert found(template) == []
    problems = template.problems(AGENTS, functions=["judge"], hooks=["git.capture"])
    assert {p.severity for p in problems} == {"warning"}
    assert [p.loc[-1] for p in problems] == ["function", "function", 0]


def test_gates_name_a_phase() -> None:
    assert only(workflow(phase(0, task("a")), gates=[{"name": "g"}])).loc == ("gates", 0)
    problem = only(workflow(phase(0, task("a")), gates=[{"name": "g", "before": "Phase 1"}]))
    assert problem.suggestion == "Phase 0"
    gates = [{"name": "g", "before": 0}, {"name": "h", "before": "Phase 0"}]
    assert found(workflow(phase(0, task("a")), gates=gates)) == []


def test_inputs_are_declared_and_used() -> None:
    template = workflow(
        phase(0, task("a", prompt="Write ${inputs.titel} in ${other}")),
        inputs={"title": {"default": "x"}},
    )
    [unknown, unused] = template.problems(AGENTS)
    assert (unknown.loc[-1], unknown.suggestion) == ("prompt", "title")
    assert (unused.severity, unused.loc) == ("warning", ("inputs", "title"))


def test_an_agent_that_is_told_nothing_is_a_warning_unless_it_is_a_function() -> None:
    assert only(workflow(phase(0, task("a", prompt="")))).severity == "warning"
    docs = {"docs": {"function": "pkg.module:Writer"}}
    assert found(workflow(phase(0, task("a", "docs", prompt="")), agents=docs)) == []


@pytest.mark.parametrize(("kind", "meant"), [("TIMEOTU", "TIMEOUT"), ("OWN_KIND", None)])
def test_unknown_kinds_of_failure_are_warned_about(kind: str, meant: str | None) -> None:
    problem = only(workflow(phase(0, task("a", retry={"on": [kind]}))))
    assert (problem.severity, problem.suggestion) == ("warning", meant)


def test_ten_thousand_tasks_in_a_row_are_no_trouble() -> None:
    tasks = [task(f"t{n}", needs=[f"t{n - 1}"] if n else []) for n in range(10_000)]
    template = workflow(phase(0, *tasks))
    assert found(template) == []
    assert template.plan(AGENTS)[-1].needs == ("0/t9998",)
