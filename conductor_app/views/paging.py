"""Pages of a list: cut by keys, so that what is added meanwhile moves nothing."""

import base64
import binascii
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, tuple_

from conductor_app.errors import InvalidInput
from conductor_app.store.database import Transaction

DEFAULT_LIMIT = 50
MOST = 500

Item = dict[str, Any]
# One value, several of which any will do, or None: all.
Wanted = str | int | Collection[str] | Collection[int] | None


@dataclass(frozen=True)
class Page:
    """Some items of a list; `next_cursor` asks for those after them, None at the end."""

    items: list[Item]
    next_cursor: str | None = None


@dataclass(frozen=True)
class Order:
    """A total order of a list: columns that are never null, the last of them unique."""

    columns: tuple[ColumnElement[Any], ...]
    descending: bool = False


@dataclass(frozen=True)
class Filter:
    """What of a column is wanted, and the values that there can be (none given: any)."""

    column: ColumnElement[Any]
    wanted: Wanted
    known: Collection[str | int] = ()


def order_of(orders: Mapping[str, Order], sort: str) -> Order:
    """The order of this name, turned round when it begins with `-`; raises InvalidInput."""
    name = sort.removeprefix("-")
    if name not in orders:
        raise InvalidInput(f"Can't sort by `{name}`. Sort by {', '.join(orders)}, or -NAME.")
    order = orders[name]
    return Order(order.columns, not order.descending) if name != sort else order


def cut(
    tx: Transaction,
    statement: Select[Any],
    order: Order,
    item: Callable[[Row[Any]], Item],
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page:
    """One page of the statement's rows; raises InvalidInput for a bad limit or cursor."""
    if not 1 <= limit <= MOST:
        raise InvalidInput(f"The limit is {limit}; it must be from 1 to {MOST}.")
    if cursor:
        statement = statement.where(_after(order, _read(cursor, order)))
    columns = [each.desc() if order.descending else each for each in order.columns]
    keys = [each.label(f"sorted_by_{n}") for n, each in enumerate(order.columns)]
    rows = tx.all(statement.add_columns(*keys).order_by(*columns).limit(limit + 1))
    shown = rows[:limit]
    more = len(rows) > limit
    return Page([item(row) for row in shown], _written(shown[-1], len(keys)) if more else None)


def narrowed(statement: Select[Any], *filters: Filter) -> Select[Any]:
    """The statement for what is wanted only; raises InvalidInput for a value that can't be."""
    for each in filters:
        wanted = _values(each.wanted)
        unknown = [value for value in wanted if each.known and value not in each.known]
        if unknown:
            choices = ", ".join(str(value) for value in each.known)
            raise InvalidInput(f"`{unknown[0]}` is not one of {choices}.")
        if each.wanted is not None:
            statement = statement.where(each.column.in_(wanted))
    return statement


def _values(wanted: Wanted) -> list[str | int]:
    if wanted is None:
        return []
    return [wanted] if isinstance(wanted, str | int) else list(wanted)


def _after(order: Order, values: Sequence[Any]) -> ColumnElement[bool]:
    keys = tuple_(*order.columns)
    return keys < tuple_(*values) if order.descending else keys > tuple_(*values)


def _written(row: Row[Any], count: int) -> str:
    values = [row._mapping[f"sorted_by_{n}"] for n in range(count)]
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def _read(cursor: str, order: Order) -> list[Any]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        values = json.loads(base64.urlsafe_b64decode(padded))
    except (binascii.Error, ValueError, RecursionError):
        values = None
    kinds = [each.type.python_type for each in order.columns]
    if (
        not isinstance(values, list)
        or [type(value) for value in values] != kinds
        or not all(map(_comparable, values))
    ):
        raise InvalidInput("The cursor is not one of this list's. Leave it out to begin anew.")
    return values


def _comparable(value: str | int) -> bool:
    """Whether every database can compare a column with it; keys and numbers of ours all are."""
    return value.isprintable() if isinstance(value, str) else value.bit_length() < 64
