"""Budgets and usage in rows of tables; amounts as people type them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import click

from conductor_app.errors import InvalidInput
from conductor_app.views.units import duration

Item = Mapping[str, Any]
Row = tuple[object, ...]
NONE = "none"


class _Amount(click.ParamType[Decimal | str]):
    """A number that is not negative, or `none`; thousands may be set apart by commas or `_`."""

    name = "amount"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> "Decimal | str":
        text = str(value).strip().lower()
        if text == NONE:
            return NONE
        try:
            number = Decimal(text.replace(",", "").replace("_", ""))
        except InvalidOperation:
            self.fail(f"{value!r} is not a number. Write for example 50000, 2.5 or none.")
        if not number.is_finite() or number < 0:
            self.fail(f"{value!r} is not an amount: it must be 0 or more, or none.")
        return number


AMOUNT = _Amount()


def amounts(given: Mapping[str, "Decimal | str | None"], *, more: bool = False) -> dict[str, Any]:
    """What was given, as the API takes it. Raises InvalidInput."""
    told = {name: value for name, value in given.items() if value is not None}
    if not told:
        raise InvalidInput("How much? Give --tokens, --usd or --minutes.")
    if more and not all(isinstance(value, Decimal) and value > 0 for value in told.values()):
        raise InvalidInput(
            "A cap is raised by more than 0; `conductor budget set` gives another one, or none."
        )
    return {name: _sent(name, value) for name, value in told.items()}


def _sent(name: str, value: "Decimal | str") -> Any:
    if not isinstance(value, Decimal):
        return None
    if name == "tokens":
        if value != int(value):
            raise InvalidInput(f"There are whole tokens only; {value} is none.")
        return int(value)
    return str(value) if name == "usd" else float(value)


def budget_rows(budget: Item) -> list[Row]:
    """A row for each unit: what may be spent, what is, what is reserved, what remains.

    The first begins with the budget's name, the second with what that stands for.
    """
    heads = (budget["budget"], f"  {budget['label']}", "")
    return [(head, unit, *part) for head, (unit, part) in zip(heads, _parts(budget), strict=False)]


def _parts(budget: Item) -> Iterator[tuple[str, Row]]:
    tokens, usd = budget["tokens"], budget["usd"]
    names = ("cap", "spent", "reserved", "remaining")
    yield "tokens", _capped(_number(tokens[name]) for name in names)
    yield "USD", _capped(usd[name] or "" for name in names)
    working = budget.get("working_seconds")
    if working and working["cap"] is not None:
        cap, spent, remaining = (duration(working[each]) for each in ("cap", "spent", "remaining"))
        yield "working time", (cap, spent, "", remaining)


def _capped(cells: Iterable[str]) -> Row:
    cap, *others = cells
    return (cap or "no cap", *others)


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def remarks(budgets: Sequence[Item]) -> Iterator[str]:
    """What else should be known of them, a sentence each."""
    for each in budgets:
        if each["alerted_at"]:
            yield f"{each['budget']} runs short: {each['alert_percent']}% of a cap are spent."
        if each.get("unknown_price_allowed"):
            why = each["unknown_price_reason"]
            yield f"{each['budget']} may call models of unknown price: {why}"
        emergency = each.get("emergency")
        if emergency and emergency["opened_at"]:
            yield (
                f"The emergency pool of {emergency['tokens']:,} tokens is open: "
                f"{emergency['reason']}"
            )


def usage_rows(by: str, items: Sequence[Item], total: Item) -> tuple[list[str], list[Row]]:
    """The head and the rows of a table of sums; columns that are empty everywhere are left out."""
    columns = _heads(by, items)
    for title, name in (
        ("Calls", "calls"),
        ("Tokens in", "input_tokens"),
        ("from cache", "cache_read_tokens"),
        ("out", "output_tokens"),
        ("Tokens", "tokens"),
        ("USD", "cost_usd"),
        ("At worst", "assumed_calls"),
        ("Soft cap", "soft_capped_runs"),
        ("Silent", "silent_runs"),
        ("Unpriced", "unpriced_calls"),
        ("Prices of", "prices_of"),
    ):
        told = name in ("calls", "tokens", "cost_usd") or total[name]
        columns.append((title, [_cell(each[name]) for each in (*items, total)] if told else []))
    shown = [(title, cells) for title, cells in columns if cells]
    return (
        [title for title, _ in shown],
        list(zip(*(cells for _, cells in shown), strict=True)),
    )


def _heads(by: str, items: Sequence[Item]) -> list[tuple[str, list[str]]]:
    """What the rows are of: first what people call it, which of executions is their id."""
    keys = [each["key"] for each in items]
    names = [each["name"] or each["key"] for each in items]
    match by:
        case "execution":
            return [("Execution", [*keys, "total"]), ("Workflow", [*names, ""])]
        case "project" | "task":
            return [(by.capitalize(), [*names, "total"]), ("Id", [*keys, ""])]
        case _:
            return [(by.capitalize(), [*keys, "total"])]


def _cell(value: int | str | list[str]) -> str:
    if isinstance(value, list):
        return " to ".join(value)
    return f"{value:,}" if isinstance(value, int) else value
