"""Identifiers: ULIDs, which sort by the time they were made."""

from ulid import ULID


def new_id() -> str:
    return str(ULID())
