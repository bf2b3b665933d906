"""The bill of an execution: who called which model how often, and what that cost."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Row, cast, func, select

from conductor_app.store.database import Transaction
from conductor_app.store.tables import jobs, usage
from conductor_app.views.units import usd

Item = dict[str, Any]

_COUNTED = ("input_tokens", "output_tokens", "cache_read_tokens")


def bill(tx: Transaction, execution_id: str) -> list[Item]:
    """A line for each agent, connector and model, the dearest first; nothing for a replay.

    `unpriced_calls` are not in the cost, because nobody knows it.
    """
    who = (usage.c.agent, usage.c.connector, usage.c.model)
    statement = (
        select(
            *who,
            func.count().label("calls"),
            *(_sum(usage.c[name]).label(name) for name in (*_COUNTED, "nano_usd")),
            (func.count() - func.count(usage.c.nano_usd)).label("unpriced_calls"),
        )
        .where(usage.c.execution_id == execution_id)
        .group_by(*who)
    )
    rows = sorted(tx.all(statement), key=lambda row: (-row.nano_usd, row.agent, row.model))
    kept = ("agent", "connector", "model", "calls", *_COUNTED, "unpriced_calls")
    return [
        {**{name: getattr(row, name) for name in kept}, "cost_usd": usd(row.nano_usd)}
        for row in rows
    ]


def of_reviews(tx: Transaction, execution_id: str) -> Sequence[Row[Any]]:
    """What reviews used, which no attempt tells of, in the words of an attempt; one row."""
    return tx.all(
        select(
            func.count().label("turns"),
            *(_sum(usage.c[name]).label(name) for name in _COUNTED),
            _sum(usage.c.nano_usd).label("cost_nano_usd"),
        ).where(
            usage.c.execution_id == execution_id,
            usage.c.attempt_id.in_(
                select(jobs.c.id).where(jobs.c.execution_id == execution_id, jobs.c.kind == "check")
            ),
        )
    )


def _sum(column: ColumnElement[Any]) -> ColumnElement[int]:
    # Sums of PostgreSQL are decimals.
    return cast(func.coalesce(func.sum(column), 0), BigInteger)
