"""Starting an execution: the plan becomes rows and events in one commit."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from conductor_app.catalog import AGENTS
from conductor_app.domain import priority
from conductor_app.domain.states import (
    ExecutionState,
    MilestoneState,
    PhaseState,
    TaskState,
)
from conductor_app.domain.workflow import PlannedTask, Workflow, headline
from conductor_app.engine import budget_opening, dispatch, transition
from conductor_app.engine.settle import settle
from conductor_app.errors import InvalidInput, Refused
from conductor_app.ids import new_id
from conductor_app.store import executions, phases, projects, tasks, workflows
from conductor_app.store.database import Transaction
from conductor_app.store.executions import Execution


@dataclass(frozen=True)
class Wanted:
    """What to start: a workflow's version and what was chosen for this run of it."""

    workflow: Workflow
    version: str
    source: str
    text: str
    inputs: dict[str, Any] = field(default_factory=dict)
    connector: str | None = None
    priority: str | int = "normal"
    auto_advance: bool = True
    # The last phase to do; None is the workflow's last.
    target_phase: int | None = None
    # Phases before this one are replayed from recordings, at no token.
    replay_before: int = 0


def start(tx: Transaction, project_id: str, wanted: Wanted) -> str:
    """Create the execution and begin it; its id. Raises InvalidInput, NotFound, Refused."""
    project = projects.get(tx, project_id)
    workflow = wanted.workflow
    plan = workflow.plan(AGENTS)
    target = _target(wanted)
    uses_git = any(task.files for task in plan)
    if uses_git and not project.location:
        raise Refused(
            f"Workflow {workflow.name} changes files, and project {project.name} has no "
            "repository. Give one with `--project DIR`."
        )
    workflows.keep(tx, workflow, wanted.version, wanted.source, wanted.text)
    execution = _add(tx, project_id, wanted, target, uses_git)
    _lay_out(tx, execution, wanted, plan)
    queues = transition.enter_first(tx, execution)
    dispatch.top_up(tx, [*queues, *settle(tx, execution)])
    return str(execution.id)


def _target(wanted: Wanted) -> int:
    """The last phase to do. Raises InvalidInput, also where more than that is to be replayed."""
    workflow = wanted.workflow
    last = workflow.phases[-1].number
    target = last if wanted.target_phase is None else wanted.target_phase
    if not 0 <= target <= last or not 0 <= wanted.replay_before <= target:
        raise InvalidInput(
            f"Workflow {workflow.name} has the phases 0 to {last}; choose one of these."
        )
    return target


def _add(
    tx: Transaction, project_id: str, wanted: Wanted, target: int, uses_git: bool
) -> Execution:
    """The execution by itself, locked, with its share and its budget."""
    workflow = wanted.workflow
    id_ = new_id()
    executions.add(
        tx,
        id=id_,
        project_id=project_id,
        workflow_name=workflow.name,
        workflow_version=wanted.version,
        status=ExecutionState.PENDING,
        driver=workflow.driver,
        mode=workflow.mode,
        connector=wanted.connector,
        inputs=wanted.inputs,
        replay_before=wanted.replay_before,
        auto_advance=wanted.auto_advance,
        concurrency=workflow.concurrency,
        uses_git=uses_git,
        branch=f"conductor/{id_}",
        target_phase=target,
        current_phase=0,
        created_at=tx.now,
        updated_at=tx.now,
    )
    executions.add_share(tx, id_, priority.weight(wanted.priority))
    budget_opening.open_execution(tx, id_, workflow.budget)
    execution = executions.lock(tx, id_)
    assert execution is not None
    tx.events.created(id_, "execution", [id_], ExecutionState.PENDING)
    return execution


def _lay_out(
    tx: Transaction, execution: Execution, wanted: Wanted, plan: list[PlannedTask]
) -> None:
    workflow = wanted.workflow
    per_phase = Counter(task.phase for task in plan)
    per_milestone = Counter(task.milestone for task in plan)
    phase_rows = [
        phase_row(execution.id, phase.number, phase.name, 1, per_phase[phase.number])
        for phase in workflow.phases
    ]
    milestone_rows = [
        milestone_row(execution.id, phase.number, key, each.name, 1, per_milestone[key])
        for phase in workflow.phases
        for each in phase.milestones
        for key in [f"{phase.number}/{each.key}"]
    ]
    phases.add(tx, phase_rows, milestone_rows)
    _lay_out_tasks(tx, execution, plan, wanted.inputs)
    for kind, rows, state in (
        ("phase", phase_rows, PhaseState.PENDING),
        ("milestone", milestone_rows, MilestoneState.PENDING),
    ):
        tx.events.created(execution.id, kind, [row["id"] for row in rows], state)


def _lay_out_tasks(
    tx: Transaction, execution: Execution, plan: list[PlannedTask], inputs: dict[str, Any]
) -> None:
    ids = {task.key: new_id() for task in plan}
    rows = [
        {
            "id": ids[task.key],
            "execution_id": execution.id,
            "key": task.key,
            "generation": 1,
            "current": True,
            "phase": task.phase,
            "agent": task.agent,
            "title": headline(task.spec.title, inputs),
            "milestone": task.milestone,
            "status": TaskState.WAITING,
            "priority": task.priority,
            "position": position,
            "files": task.files,
            "needs_left": len(task.needs),
            "notes": [],
            "created_at": tx.now,
        }
        for position, task in enumerate(plan)
    ]
    needs = [
        {"task_id": ids[task.key], "need_key": need, "execution_id": execution.id}
        for task in plan
        for need in task.needs
    ]
    tasks.add(tx, rows, needs)
    tx.events.created(execution.id, "task", list(ids.values()), TaskState.WAITING)


def phase_row(
    execution_id: str, number: int, name: str, generation: int, total: int
) -> dict[str, Any]:
    return {
        "id": new_id(),
        "execution_id": execution_id,
        "number": number,
        "generation": generation,
        "current": True,
        "name": name,
        "status": PhaseState.PENDING,
        "total_tasks": total,
        "open_tasks": total,
    }


def milestone_row(
    execution_id: str, phase: int, key: str, name: str, generation: int, total: int
) -> dict[str, Any]:
    return {
        "id": new_id(),
        "execution_id": execution_id,
        "phase": phase,
        "key": key,
        "name": name,
        "generation": generation,
        "current": True,
        "status": MilestoneState.PENDING,
        "open_tasks": total,
    }
