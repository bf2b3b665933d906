"""The routes, a module for each resource."""

from conductor_app.api.routes import (
    agents,
    budgets,
    decisions,
    execution_parts,
    executions,
    health,
    judging,
    orchestrator,
    projects,
    task_changes,
    tasks,
    workflows,
)

ALL = (
    health.api,
    orchestrator.api,
    projects.api,
    workflows.api,
    agents.api,
    executions.api,
    execution_parts.api,
    tasks.api,
    task_changes.api,
    decisions.api,
    judging.api,
    budgets.api,
)
