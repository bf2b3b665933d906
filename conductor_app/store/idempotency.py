"""Answers kept under the caller's key, in the transaction of the effect that they tell of."""

from typing import Any

from sqlalchemy import Row, delete, select, update

from conductor_app.store.database import Transaction
from conductor_app.store.tables import idempotency_keys

# Written with the key, replaced before the commit: nobody else ever reads it.
_NOT_YET: dict[str, Any] = {"status": 0, "response": {}}


def reserve(tx: Transaction, key: str, request: str) -> Row[Any] | None:
    """Take the key for this request (a digest); what is kept under it when it was taken before.

    A second request with the key waits here until the first one's transaction has ended.
    """
    row = {"key": key, "request": request, "created_at": tx.now, **_NOT_YET}
    if tx.add_new(idempotency_keys, row):
        return None
    return tx.first(select(idempotency_keys).where(idempotency_keys.c.key == key))


def keep(tx: Transaction, key: str, status: int, response: dict[str, Any]) -> None:
    """Keep the answer under the reserved key."""
    tx.run(
        update(idempotency_keys)
        .where(idempotency_keys.c.key == key)
        .values(status=status, response=response)
    )


def forget(tx: Transaction, before: int) -> int:
    """Drop what was kept before this time; how many answers that were."""
    return tx.run(delete(idempotency_keys).where(idempotency_keys.c.created_at < before))
