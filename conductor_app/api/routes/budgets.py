"""Budgets and usage: what may be spent, what was, and who gives more."""

from collections.abc import Callable

from flask import Response

from conductor_app.api import meant
from conductor_app.api.access import conductor, reading
from conductor_app.api.answers import Answer, answered
from conductor_app.api.mutations import change
from conductor_app.api.resources import resource
from conductor_app.api.schemas.base import OK
from conductor_app.api.schemas.budgets import (
    BudgetPath,
    BudgetsQuery,
    RaiseCaps,
    Reasoned,
    SetCaps,
    UsageQuery,
)
from conductor_app.domain.budget import Daily
from conductor_app.domain.budget_names import Name
from conductor_app.domain.budget_words import title
from conductor_app.engine import budget_control
from conductor_app.engine.budget_control import Changed
from conductor_app.engine.budget_standing import find
from conductor_app.store.database import Transaction
from conductor_app.views import budgets, current, usage

api = resource("budgets", "What may be spent, and what was")

Change = Callable[[Transaction, Name, Daily], Changed]


@api.get("/budgets", responses=OK)
def list_budgets(query: BudgetsQuery) -> Response:
    """Today's budgets; with an execution also its own, and those of its tasks that have a cap."""
    with reading() as tx:
        execution = query.execution and current.execution(tx, query.execution)
        project = meant.project_id(tx, query.project)
        items = budgets.around(tx, conductor().daily, execution or None, project)
    return answered("Budgets", {"items": items, "next_cursor": None})


@api.get("/budgets/<budget>", responses=OK)
def read_budget(path: BudgetPath) -> Response:
    """One budget: its caps, what is spent, reserved and remaining."""
    with reading() as tx:
        return answered("Budget", budgets.budget(tx, find(tx, path.budget), conductor().daily))


@api.patch("/budgets/<budget>", responses=OK)
def set_caps(path: BudgetPath, body: SetCaps) -> Response:
    """Give it other caps; what is left out stays. What it had stopped goes on."""

    def give(tx: Transaction, name: Name, daily: Daily) -> Changed:
        return budget_control.set_caps(tx, name, daily, body.amounts(), body.reason)

    return _change(path.budget, give, "has new caps")


@api.post("/budgets/<budget>/raise", responses=OK)
def raise_caps(path: BudgetPath, body: RaiseCaps) -> Response:
    """Add so much to its caps; what it had stopped goes on."""

    def add(tx: Transaction, name: Name, daily: Daily) -> Changed:
        return budget_control.raise_caps(tx, name, daily, body.more(), body.reason)

    return _change(path.budget, add, "is raised")


@api.post("/budgets/<budget>/emergency", responses=OK)
def open_emergency_pool(path: BudgetPath, body: Reasoned) -> Response:
    """Add the emergency pool to today's tokens of the installation; once a day."""

    def pour(tx: Transaction, name: Name, daily: Daily) -> Changed:
        return budget_control.open_emergency_pool(tx, name, daily, body.reason)

    return _change(path.budget, pour, "has the emergency pool added")


@api.post("/budgets/<budget>/unknown-price", responses=OK)
def allow_unknown_price(path: BudgetPath, body: Reasoned) -> Response:
    """Let an execution call models whose price nobody knows; their tokens are still counted."""

    def allow(tx: Transaction, name: Name, daily: Daily) -> Changed:
        return budget_control.allow_unknown_price(tx, name, daily, body.reason)

    return _change(path.budget, allow, "allows calls of unknown price")


@api.get("/usage", responses=OK)
def read_usage(query: UsageQuery) -> Response:
    """What was used and what it cost: sums by day, execution, agent, model; `total` is of all."""
    with reading() as tx:
        if query.execution is not None:
            current.execution(tx, query.execution)
        project = meant.project_id(tx, query.project)
        wanted = usage.of(query.execution, project, **query.period())
        page = usage.by(tx, query.by, *wanted, limit=query.limit, cursor=query.cursor)
        total = usage.total(tx, *wanted)
    told = {"by": query.by, "items": page.items, "next_cursor": page.next_cursor, "total": total}
    return answered(f"Usage by {query.by}", told)


def _change(named: str, act: Change, outcome: str) -> Response:
    def effect(tx: Transaction) -> Answer:
        daily = conductor().daily
        changed = act(tx, find(tx, named), daily)
        data = budgets.budget(tx, changed.name, daily)
        message = f"{title(changed.name.scope)} {outcome}{_on(len(changed.going_on))}"
        return Answer(message, {**data, "going_on": list(changed.going_on)})

    return change(effect)


def _on(executions: int) -> str:
    match executions:
        case 0:
            return ""
        case 1:
            return "; an execution that it may have stopped goes on"
        case _:
            return f"; {executions} executions that it may have stopped go on"
