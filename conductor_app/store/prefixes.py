"""Ids of which only the beginning is given, as people type them."""

from sqlalchemy import Table, func, select

from conductor_app.errors import Ambiguous
from conductor_app.store.database import Transaction

# An id begins with its time: five characters are common to all that is made in nine hours.
SHORTEST = 6
NAMED = 5


def whole_id(tx: Transaction, table: Table, given: str) -> str:
    """The one id of the table that begins so; what was given where none does. Raises Ambiguous."""
    if len(given) < SHORTEST:
        return given
    begins = func.substr(table.c.id, 1, len(given)) == given
    rows = tx.all(select(table.c.id).where(begins).order_by(table.c.id).limit(NAMED))
    if len(rows) > 1:
        raise Ambiguous(
            f"There are several {table.name} that begin with {given}, such as "
            f"{', '.join(row.id for row in rows)}. Give more of the one that you mean."
        )
    return str(rows[0].id) if rows else given
