"""Named leases on the database's clock: who does what only one may do at a time."""

from typing import Any

from sqlalchemy import Row, select, update

from conductor_app.store.database import Transaction
from conductor_app.store.tables import leases


def take(tx: Transaction, name: str, holder: str, length: int, gap: int) -> Row[Any] | None:
    """Take or prolong a lease of so many milliseconds; None while somebody else holds it.

    `since` is when contact began: it moves when the lease lay untaken for longer than `gap`.
    """
    row = tx.first(select(leases).where(leases.c.name == name).with_for_update())
    if row is None:
        values = {"name": name, "holder": holder, "until": tx.now + length, "since": tx.now}
        if not tx.add_new(leases, values):
            return None
    elif row.holder != holder and row.until > tx.now:
        return None
    else:
        since = tx.now if tx.now - row.until > gap else row.since
        tx.run(
            update(leases)
            .where(leases.c.name == name)
            .values(holder=holder, until=tx.now + length, since=since)
        )
    return tx.first(select(leases).where(leases.c.name == name))
