"""How budgets begin: with the caps of the settings, the project or the template."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select

from conductor_app.domain import budget as rules
from conductor_app.domain.budget import Caps, Daily, Place, Scope
from conductor_app.domain.budget_names import Name, names
from conductor_app.domain.workflow_template import Budget, TaskBudget
from conductor_app.errors import InvalidInput
from conductor_app.store import budgets, projects, workflows
from conductor_app.store.database import Transaction
from conductor_app.store.tables import executions, tasks


def open_execution(tx: Transaction, execution_id: str, budget: Budget) -> None:
    """The budget of a new execution, as its template has it."""
    name = Name(Scope.EXECUTION, execution_id)
    budgets.create(tx, name.id, **_of_execution(tx, execution_id, budget))


def create_missing(tx: Transaction, place: Place, daily: Daily) -> None:
    """The rows of budgets that nothing was taken from yet, in the order of locking."""
    known = budgets.of_ids(tx, place.ids.values())
    for name in names(place):
        if name.id not in known:
            create(tx, name, daily)


def create(tx: Transaction, name: Name, daily: Daily) -> None:
    """Its row, unless it is there."""
    budgets.create(tx, name.id, **opening(tx, name, daily))


def opening(tx: Transaction, name: Name, daily: Daily) -> dict[str, Any]:
    """What its row begins with; its project, execution or task exists."""
    match name.scope:
        case Scope.INSTALLATION_DAY:
            return {
                **_of_day(name),
                **budgets.capped(daily.caps),
                "alert_percent": daily.alert_percent,
                "emergency_tokens": daily.emergency_tokens,
            }
        case Scope.PROJECT_DAY:
            caps = caps_of_project(projects.get(tx, name.subject).settings or {})
            return {
                **_of_day(name),
                **budgets.capped(caps),
                "alert_percent": daily.alert_percent,
            }
        case Scope.EXECUTION:
            return _of_execution(tx, name.subject, _workflow(tx, name.subject).budget)
        case Scope.TASK:
            return _of_task(tx, name.subject)


def execution_of_task(tx: Transaction, task_id: str) -> str:
    return str(tx.value(select(tasks.c.execution_id).where(tasks.c.id == task_id)))


def caps_of(budget: TaskBudget) -> Caps:
    minutes = budget.minutes if isinstance(budget, Budget) else None
    return rules.caps_of(budget.tokens, budget.usd, minutes)


def caps_of_project(settings: Mapping[str, Any]) -> Caps:
    """What a project may spend in a day, by its settings' `budget`; raises InvalidInput."""
    try:
        budget = TaskBudget.model_validate(settings.get("budget") or {})
    except ValidationError as error:
        mistake = error.errors()[0]
        where = ".".join(["budget", *(str(each) for each in mistake["loc"])])
        raise InvalidInput(
            f"The project's setting `{where}` is not valid: {mistake['msg'].lower()}. "
            'Write for example {"budget": {"tokens": 200000, "usd": 20}}.'
        ) from None
    return caps_of(budget)


def _of_day(name: Name) -> dict[str, Any]:
    return {"kind": name.scope, "subject_id": name.subject, "day": name.day}


def _of_execution(tx: Transaction, execution_id: str, budget: Budget) -> dict[str, Any]:
    return {
        "kind": Scope.EXECUTION,
        "subject_id": execution_id,
        "execution_id": execution_id,
        "worked_until": tx.now,
        "working_from": tx.now,
        "alert_percent": rules.ALERT_PERCENT,
        **budgets.capped(caps_of(budget)),
    }


def _of_task(tx: Transaction, task_id: str) -> dict[str, Any]:
    row = tx.first(select(tasks.c.key, tasks.c.execution_id).where(tasks.c.id == task_id))
    assert row is not None
    spec = _workflow(tx, row.execution_id).task(row.key)
    return {
        "kind": Scope.TASK,
        "subject_id": task_id,
        "execution_id": row.execution_id,
        **budgets.capped(caps_of(spec.budget)),
    }


def _workflow(tx: Transaction, execution_id: str) -> Any:
    version = tx.value(select(executions.c.workflow_version).where(executions.c.id == execution_id))
    return workflows.of_version(tx, version)
