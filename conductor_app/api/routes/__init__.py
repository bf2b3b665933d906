"""The routes, a module for each resource."""

from conductor_app.api.routes import (
    agents,
    budgets,
    decisions,
    execution_parts,
    executions,
    health,
    judging,
    lessons,
    orchestrator,
    projects,
    signals,
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
    lessons.api,
    signals.api,
    judging.api,
    budgets.api,
)
