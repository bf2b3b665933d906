"""What was used and what it cost: by day, project, execution, task, agent, connector, model."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Text, case, func, literal_column, select

from conductor_app.domain.budget import Basis
from conductor_app.store.database import Transaction
from conductor_app.store.tables import executions, projects, tasks, usage
from conductor_app.views.paging import DEFAULT_LIMIT, Order, Page, cut
from conductor_app.views.units import UNKNOWN_MODEL, days, usd

Item = dict[str, Any]

# Literals: to PostgreSQL a parameter of SELECT is never that of GROUP BY.
_MODEL = case(
    (usage.c.model == literal_column("''", Text), literal_column(f"'{UNKNOWN_MODEL}'", Text)),
    else_=usage.c.provider + literal_column("'/'", Text) + usage.c.model,
)
BY: Mapping[str, ColumnElement[str]] = {
    "day": usage.c.day,
    "project": usage.c.project_id,
    "execution": usage.c.execution_id,
    "task": usage.c.task_id,
    "agent": usage.c.agent,
    "connector": usage.c.connector,
    "model": _MODEL,
}
# What is looked for among the newest.
_NEWEST_FIRST = ("day", "execution", "task")
_NAMES = {"project": projects.c.name, "execution": executions.c.workflow_name, "task": tasks.c.key}
_COUNTED = ("tokens", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")


def by(
    tx: Transaction,
    dimension: str,
    *wanted: ColumnElement[bool],
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page:
    """A page of sums, one for each day, execution, agent or what the dimension is."""
    grouped = _sums(BY[dimension].label("key"), wanted).group_by(BY[dimension]).subquery()
    order = Order((grouped.c.key,), descending=dimension in _NEWEST_FIRST)
    page = cut(tx, select(grouped), order, _item, limit, cursor)
    named = _names(tx, dimension, [each["key"] for each in page.items])
    items = [{"key": each["key"], "name": named.get(each["key"]), **each} for each in page.items]
    return Page(items, page.next_cursor)


def total(tx: Transaction, *wanted: ColumnElement[bool]) -> Item:
    """The sum of all that."""
    row = tx.first(_sums(literal_column("''", Text).label("key"), wanted))
    assert row is not None
    return {name: value for name, value in _item(row).items() if name != "key"}


def remarks(total: Mapping[str, Any]) -> list[str]:
    """What the cost of a sum does not say, a sentence each."""
    lost = total["assumed_tokens"]
    told = (
        ("assumed_calls", f"whose end nobody knows counted as the worst case: {lost:,} tokens"),
        ("unpriced_calls", "at no known price: not in the cost"),
        ("silent_runs", "of programs that have not said what they used: nothing of it is counted"),
        ("soft_capped_runs", "of programs that spend without asking: their cap is soft"),
    )
    return [
        f"{total[name]:,} {'run' if 'runs' in name else 'call'}{'s' * (total[name] > 1)} {words}."
        for name, words in told
        if total[name]
    ]


def of(
    execution: str | None = None,
    project: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> list[ColumnElement[bool]]:
    """What is wanted: of an execution, of a project, from one day (YYYY-MM-DD, UTC) to another."""
    wanted = []
    if execution is not None:
        wanted.append(usage.c.execution_id == execution)
    if project is not None:
        wanted.append(usage.c.project_id == project)
    if since is not None:
        wanted.append(usage.c.day >= since)
    if until is not None:
        wanted.append(usage.c.day <= until)
    return wanted


def _sums(key: ColumnElement[str], wanted: Iterable[ColumnElement[bool]]) -> Select[Any]:
    return select(
        key,
        func.count().label("calls"),
        *(_sum(usage.c[name]).label(name) for name in _COUNTED),
        _sum(usage.c.nano_usd).label("nano_usd"),
        _count(usage.c.basis == Basis.ASSUMED).label("assumed_calls"),
        _sum(case((usage.c.basis == Basis.ASSUMED, usage.c.tokens), else_=0)).label(
            "assumed_tokens"
        ),
        _count(usage.c.basis == Basis.SOFT_CAP).label("soft_capped_runs"),
        _count(usage.c.basis == Basis.UNKNOWN).label("silent_runs"),
        _count(usage.c.nano_usd.is_(None)).label("unpriced_calls"),
        func.min(usage.c.price_date).label("first_price"),
        func.max(usage.c.price_date).label("last_price"),
    ).where(*wanted)


def _sum(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.coalesce(func.sum(column), 0)


def _count(condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return _sum(case((condition, 1), else_=0))


def _item(row: Row[Any]) -> Item:
    """Sums of PostgreSQL are decimals."""
    return {
        "key": row.key,
        "calls": int(row.calls),
        **{name: int(getattr(row, name)) for name in _COUNTED},
        "cost_usd": usd(int(row.nano_usd)),
        # Whose end nobody knows, so that they count as their worst case.
        "assumed_calls": int(row.assumed_calls),
        "assumed_tokens": int(row.assumed_tokens),
        # Runs of programs that spend without asking: their cap is soft.
        "soft_capped_runs": int(row.soft_capped_runs),
        # Those that did not even say what they used.
        "silent_runs": int(row.silent_runs),
        # Of those and others, whose price is not in the cost, because nobody knows it.
        "unpriced_calls": int(row.unpriced_calls),
        # The day, or the first and the last, whose prices hold for all else.
        "prices_of": days(row.first_price, row.last_price),
    }


def _names(tx: Transaction, dimension: str, keys: list[str]) -> dict[str, str]:
    column = _NAMES.get(dimension)
    if column is None or not keys:
        return {}
    of_key = column.table.c.id
    statement = select(of_key.label("key"), column.label("name")).where(of_key.in_(keys))
    return {row.key: row.name for row in tx.all(statement)}
