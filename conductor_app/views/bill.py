"""The bill of an execution: who called which model how often, and what that cost."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, cast, func, select

from conductor_app.store.database import Transaction
from conductor_app.store.tables import usage
from conductor_app.views.units import UNKNOWN_MODEL, days, usd

Item = dict[str, Any]

_COUNTED = ("input_tokens", "output_tokens", "cache_read_tokens")


def bill(tx: Transaction, execution_id: str) -> list[Item]:
    """A line for each agent, connector and model, the dearest first; nothing for a replay.

    `unpriced_calls` are not in the cost, because nobody knows it; `prices_of` is the day, or the
    first and the last, whose prices hold for the others.
    """
    who = (usage.c.agent, usage.c.connector, usage.c.model)
    statement = (
        select(
            *who,
            func.count().label("calls"),
            *(_sum(usage.c[name]).label(name) for name in (*_COUNTED, "nano_usd")),
            func.min(usage.c.price_date).label("first_price"),
            func.max(usage.c.price_date).label("last_price"),
            (func.count() - func.count(usage.c.nano_usd)).label("unpriced_calls"),
        )
        .where(usage.c.execution_id == execution_id)
        .group_by(*who)
    )
    rows = sorted(tx.all(statement), key=lambda row: (-row.nano_usd, row.agent, row.model))
    kept = ("agent", "connector", "model", "calls", *_COUNTED, "unpriced_calls")
    return [
        {
            **{name: getattr(row, name) for name in kept},
            "model": row.model or UNKNOWN_MODEL,
            "cost_usd": usd(row.nano_usd),
            "prices_of": days(row.first_price, row.last_price),
        }
        for row in rows
    ]


def _sum(column: ColumnElement[Any]) -> ColumnElement[int]:
    # Sums of PostgreSQL are decimals.
    return cast(func.coalesce(func.sum(column), 0), BigInteger)
