"""The status of an execution: document 000's `GET orchestrator/status`, and what it leaves out."""

from typing import Any

from conductor_app.domain.states import ExecutionState, PhaseState, TaskState
from conductor_app.engine.advancing import by_itself, next_step
from conductor_app.engine.figures import AT_WORK, NOT_YET, Figures, figures
from conductor_app.store import decisions
from conductor_app.store.database import Transaction
from conductor_app.views import budgets, connectors
from conductor_app.views.current import execution as find
from conductor_app.views.units import iso, shown


def status(
    tx: Transaction, execution_id: str, default_connector: str = connectors.REPLAY
) -> dict[str, Any]:
    """The document's fields with their names; fractions from 0 to 1, times in ISO 8601.

    `default_connector` is the installation's, for agents that name none. Raises NotFound.
    """
    row = find(tx, execution_id)
    known = figures(tx, row)
    return {
        **_of_document(known),
        "executionId": row.id,
        "projectId": row.project_id,
        "project": row.project,
        "workflow": row.workflow_name,
        "connector": connectors.label(tx, row, default_connector),
        "branch": row.branch if row.uses_git else None,
        "status": row.status,
        "reason": row.reason,
        "reasonDetail": row.reason_detail,
        "targetPhase": row.target_phase,
        "milestones": [
            {"key": each.key, "name": each.name, "status": each.status}
            for each in known.milestones
            if each.phase == row.current_phase
        ],
        "waitingTasks": known.count(*NOT_YET),
        "skippedTasks": known.count(TaskState.SKIPPED),
        "cancelledTasks": known.count(TaskState.CANCELLED),
        "autoAdvanceEnabled": by_itself(row),
        "nextStep": next_step(row, known.current),
        "pendingDecisions": decisions.count_pending(tx, row.id),
        "startedAt": iso(row.started_at),
        "finishedAt": iso(row.finished_at),
        "budget": budgets.in_short(tx, row.id),
        "lastUpdated": iso(row.updated_at),
        "eta": iso(known.eta(tx.now)),
    }


def _of_document(known: Figures) -> dict[str, Any]:
    current = known.current
    return {
        "isRunning": known.execution.status == ExecutionState.RUNNING,
        "currentPhase": {
            "number": current.number,
            "name": current.name,
            "progress": round(known.progress(current.number), 4),
            "status": current.status,
        },
        "overallProgress": round(known.overall, 4),
        "completedPhases": [
            row.number for row in known.phases if row.status == PhaseState.COMPLETED
        ],
        "activeAgents": [shown(agent) for agent in known.agents(*AT_WORK)],
        "activeTasks": known.count(*AT_WORK),
        "completedTasks": known.count(TaskState.COMPLETED),
        "failedTasks": known.count(TaskState.FAILED),
    }
