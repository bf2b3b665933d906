"""What people change about budgets; no cap ever falls below what is spent and reserved."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Row, select, update

from conductor_app.store.database import Transaction
from conductor_app.store.tables import budgets

# By unit, its column and what is taken already.
TAKEN: Mapping[str, ColumnElement[Any]] = {
    "tokens": budgets.c.tokens_spent + budgets.c.tokens_reserved,
    "nano_usd": budgets.c.nano_usd_spent + budgets.c.nano_usd_reserved,
    "working_ms": budgets.c.working_ms_spent + 0,
}


def lock(tx: Transaction, id_: str) -> Row[Any]:
    """The row, which nobody else changes until the end of the transaction."""
    row = tx.first(select(budgets).where(budgets.c.id == id_).with_for_update())
    assert row is not None
    return row


def cap(tx: Transaction, id_: str, caps: Mapping[str, int | None]) -> bool:
    """New caps by unit, None for none; False when one of them is below what is taken."""
    statement = update(budgets).where(budgets.c.id == id_)
    for unit, value in caps.items():
        if value is not None:
            statement = statement.where(TAKEN[unit] <= value)
    return bool(tx.run(statement.values({f"{unit}_cap": caps[unit] for unit in caps})))


def open_pool(tx: Transaction, id_: str, by: str, reason: str) -> bool:
    """Add the emergency pool to the cap on tokens; False when it is open, or there is no cap."""
    statement = update(budgets).where(
        budgets.c.id == id_, budgets.c.emergency_at.is_(None), budgets.c.tokens_cap.is_not(None)
    )
    return bool(
        tx.run(
            statement.values(
                tokens_cap=budgets.c.tokens_cap + budgets.c.emergency_tokens,
                emergency_at=tx.now,
                emergency_by=by,
                emergency_reason=reason,
            )
        )
    )


def allow_unknown_price(tx: Transaction, id_: str, by: str, reason: str) -> bool:
    """False when somebody did before."""
    statement = update(budgets).where(budgets.c.id == id_, budgets.c.unknown_price_by.is_(None))
    return bool(tx.run(statement.values(unknown_price_by=by, unknown_price_reason=reason)))


def alert_again(tx: Transaction, id_: str) -> None:
    """There is room again: the alert is given anew when that is used up."""
    tx.run(update(budgets).where(budgets.c.id == id_).values(alerted_at=None))


def unwritten(id_: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """A budget that nothing was taken from yet, as its row would be."""
    nothing = {column.name: None if column.nullable else 0 for column in budgets.c}
    return {**nothing, **values, "id": id_}
