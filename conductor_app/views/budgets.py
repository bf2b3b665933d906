"""Budgets as people and programs see them: cap, spent, reserved, remaining."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Row, or_, select

from conductor_app.domain import budget as rules
from conductor_app.domain.budget import Daily, Scope
from conductor_app.domain.budget_names import Name
from conductor_app.engine import working_time
from conductor_app.engine.budget_standing import standing
from conductor_app.store import budgets as stored
from conductor_app.store import tables
from conductor_app.store.database import Transaction
from conductor_app.views.units import iso, seconds, usd

Item = dict[str, Any]


def budget(tx: Transaction, name: Name, daily: Daily) -> Item:
    """One budget; what has no cap has nothing that remains (None)."""
    row = standing(tx, name, daily)
    item: Item = {
        "budget": name.spoken,
        "id": row["id"],
        "scope": name.scope,
        "subject": name.subject or None,
        "label": _label(tx, name),
        "day": name.day or None,
        "tokens": _part(row["tokens_cap"], row["tokens_spent"], row["tokens_reserved"]),
        "usd": _money(_part(row["nano_usd_cap"], row["nano_usd_spent"], row["nano_usd_reserved"])),
        "alert_percent": row["alert_percent"],
        "alerted_at": iso(row["alerted_at"]),
    }
    if name.scope == Scope.EXECUTION:
        item["working_seconds"] = _working(tx, name, row)
        item["unknown_price_allowed"] = row["unknown_price_by"] is not None
        item["unknown_price_reason"] = row["unknown_price_reason"]
    if name.scope == Scope.INSTALLATION_DAY:
        item["emergency"] = {
            "tokens": row["emergency_tokens"],
            "opened_at": iso(row["emergency_at"]),
            "reason": row["emergency_reason"],
        }
    return item


def around(
    tx: Transaction, daily: Daily, execution: Row[Any] | None, project_id: str | None = None
) -> list[Item]:
    """Today's budgets, and of an execution its own and those of its tasks, the outermost first."""
    day = rules.day_of(tx.now)
    names = [Name(Scope.INSTALLATION_DAY, day=day)]
    project = execution.project_id if execution is not None else project_id
    if project is not None:
        names.append(Name(Scope.PROJECT_DAY, project, day))
    if execution is not None:
        names.append(Name(Scope.EXECUTION, execution.id))
        names += [Name(Scope.TASK, id_) for id_ in _tasks(tx, execution.id)]
    return [budget(tx, name, daily) for name in names]


def in_short(tx: Transaction, execution_id: str) -> Item | None:
    """What an execution has spent, for those who look at all of it; None without cap or call."""
    row = stored.get(tx, rules.of_execution(execution_id))
    if row is None:
        return None
    tokens = _part(row.tokens_cap, row.tokens_spent, row.tokens_reserved)
    money = _part(row.nano_usd_cap, row.nano_usd_spent, row.nano_usd_reserved)
    if not any(each for part in (tokens, money) for each in part.values()):
        return None
    return {"tokens": tokens, "usd": _money(money)}


def _tasks(tx: Transaction, execution_id: str) -> Iterable[str]:
    """Those that have spent something, or have a cap and began, in the order of the plan."""
    budgets, tasks = tables.budgets, tables.tasks
    statement = (
        select(tasks.c.id)
        .join(budgets, budgets.c.subject_id == tasks.c.id)
        .where(
            budgets.c.execution_id == execution_id,
            budgets.c.kind == Scope.TASK,
            or_(budgets.c.tokens_cap.is_not(None), budgets.c.nano_usd_cap.is_not(None)),
        )
        .order_by(tasks.c.phase, tasks.c.position, tasks.c.id)
    )
    return [row.id for row in tx.all(statement)]


def _label(tx: Transaction, name: Name) -> str:
    """What its subject is called."""
    match name.scope:
        case Scope.INSTALLATION_DAY:
            return f"everything, {name.day}"
        case Scope.PROJECT_DAY:
            table = tables.projects
            found = tx.value(select(table.c.name).where(table.c.id == name.subject))
            return f"{found}, {name.day}"
        case Scope.EXECUTION:
            table = tables.executions
            found = tx.value(select(table.c.workflow_name).where(table.c.id == name.subject))
            return str(found)
        case Scope.TASK:
            key = tx.value(select(tables.tasks.c.key).where(tables.tasks.c.id == name.subject))
            return str(key)


def _part(cap: int | None, spent: int, reserved: int) -> Item:
    remaining = None if cap is None else max(0, cap - spent - reserved)
    return {"cap": cap, "spent": spent, "reserved": reserved, "remaining": remaining}


def _money(part: Mapping[str, int | None]) -> Item:
    """In USD, as decimal strings."""
    return {name: None if nano is None else usd(nano) for name, nano in part.items()}


def _working(tx: Transaction, name: Name, row: Mapping[str, Any]) -> Item:
    kept = stored.get(tx, name.id)
    spent = working_time.spent(tx, kept) if kept is not None else 0
    cap = row["working_ms_cap"]
    return {
        "cap": seconds(cap),
        "spent": seconds(spent),
        "remaining": None if cap is None else seconds(max(0, cap - spent)),
    }
