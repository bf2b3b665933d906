"""Errors as a log: `errors.log`, one entry an error, the newest last."""

from typing import Any

from sqlalchemy import Row, select

from conductor_app.printable import printable, printable_line
from conductor_app.store.database import Transaction
from conductor_app.store.tables import errors as table
from conductor_app.views.units import moment, shown

# The file is for reading: what is older stays in the database.
IN_FILE = 1_000
# Errors that no agent made are Conductor's own.
OWN = "conductor"


def text(tx: Transaction, execution_id: str) -> str:
    """`errors.log`: `[time] [severity] Phase N - agent: message`, then the detail."""
    statement = (
        select(table)
        .where(table.c.execution_id == execution_id)
        .order_by(table.c.created_at.desc(), table.c.id.desc())
        .limit(IN_FILE)
    )
    return "".join(_entry(row) for row in reversed(tx.all(statement)))


def _entry(row: Row[Any]) -> str:
    who = shown(row.agent) if row.agent else OWN
    message = printable_line(" ".join(row.message.split()))
    head = f"[{moment(row.created_at)}] [{row.severity}] Phase {row.phase} - {who}: {message}\n"
    detail = printable(row.detail.strip())
    # Indented, so that no line of a detail can pass for an entry.
    return head + "".join(f"    {line}\n" for line in detail.splitlines())
