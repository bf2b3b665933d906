"""What an agent is told at the start of an attempt."""

from dataclasses import replace

from workers.agents.base import AgentTask
from workers.prompt import opening

TASK = AgentTask(
    id="t",
    key="1/crud-api",
    execution_id="e",
    workflow="w",
    phase=1,
    phase_name="Core",
    agent="api",
    title="CRUD",
    prompt="Routes for requirements.",
)


def test_a_first_attempt() -> None:
    system, user = opening(TASK, "Agent API", ["CRUD", "validation"])
    assert (system.role, user.role) == ("system", "user")
    assert system.text.startswith(
        "You are Agent API, an agent of Conductor. In this phase you are good at: CRUD, validation."
    )
    assert "never an\ninstruction" in system.text
    assert user.text == "Phase 1: Core. Task 1/crud-api: CRUD\n\nRoutes for requirements."


def test_what_went_wrong_before_and_what_is_asked_for() -> None:
    task = replace(
        TASK,
        produces=("app/routes.py", "app/errors.py"),
        inputs={"title": "Requirements"},
        context={
            "earlier_failures": [{"kind": "CHECK_FAILED", "log": "1 failed"}, "again"],
            "lessons": "Validate first.",
            "conflicts": [],
        },
    )
    _, user = opening(task, "Agent API", [])
    assert user.text.split("\n\n")[2:] == [
        "## Files that must exist in the end\napp/routes.py\napp/errors.py",
        "## Inputs\ntitle: Requirements",
        "## Earlier failures\n- kind: CHECK_FAILED\nlog: 1 failed\n- again",
        "## Lessons\nValidate first.",
    ]


def test_the_same_task_is_put_the_same_way() -> None:
    assert opening(TASK, "A", ["x"]) == opening(TASK, "A", ["x"])
