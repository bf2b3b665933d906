"""Checks of kind `sql`: one query that reads a database, and what the rows must be."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from conductor_app.domain.workflow import SqlCheck
from workers.bench import Bench
from workers.checks.command import ending, evidence
from workers.checks.databases import Database, QueryFailed, open_database
from workers.checks.expectations import shown
from workers.checks.interpolation import fill_text
from workers.checks.result import Outcome
from workers.command_line import argv
from workers.command_line import shown as shown_command

ROWS_SHOWN = 5
DEFAULT_DATABASE = "${env.DATABASE_URL}"
READING = frozenset({"SELECT", "WITH", "VALUES", "PRAGMA", "SHOW", "EXPLAIN", "TABLE"})
# Strings, quoted names and comments: what may hold a semicolon without ending the statement.
OPAQUE = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)


def sql(check: SqlCheck, bench: Bench) -> Outcome:
    if check.prepare is not None:
        result = bench.run(argv(check.prepare), check)
        if result.exit_code != 0:
            line = shown_command(check.prepare)
            return Outcome(
                False,
                f"`prepare` ({line}) ended with {ending(result)}",
                evidence(line, result, check, bench),
            )
    address = fill_text(check.database or DEFAULT_DATABASE, {}, bench.check_variables(check))
    database = open_database(address, bench.checkout, check.timeout)
    kept: dict[str, Any] = {"database": database.shown, "query": check.query}
    try:
        rows = read(database, check.query)
    except QueryFailed as failure:
        return Outcome(False, failure.message, kept)
    wrong = problems(check, rows)
    kept |= {"row_count": len(rows), "rows": rows[:ROWS_SHOWN]}
    return Outcome(not wrong, "; ".join(wrong) or f"{_count(rows)}, as expected", kept)


def read(database: Database, query: str) -> list[list[Any]]:
    """The rows of a query that can only read, as JSON values. Raises QueryFailed."""
    statement = OPAQUE.sub(" ", query).strip().rstrip(";").strip()
    word = statement.split(maxsplit=1)[0].upper() if statement else "nothing"
    if word not in READING or ";" in statement:
        raise QueryFailed(
            f"an sql check runs one statement that reads ({', '.join(sorted(READING))}), "
            f"this is {word if ';' not in statement else 'several'}; what changes the database "
            "belongs in `prepare`"
        )
    return [[_plain(value) for value in row] for row in database.rows(query)]


def problems(check: SqlCheck, rows: list[list[Any]]) -> list[str]:
    """What is wrong with the rows, in words."""
    expected, given = check.expect, check.expect.model_fields_set
    wrong = []
    if expected.rows is not None and len(rows) != expected.rows:
        wrong.append(f"expected {expected.rows} rows, found {_count(rows)}")
    if expected.min_rows is not None and len(rows) < expected.min_rows:
        wrong.append(f"expected at least {expected.min_rows} rows, found {_count(rows)}")
    if "value" in given:
        wrong += _value_problems(rows, expected.value)
    if expected.values is not None:
        wrong += _values_problems(rows, expected.values)
    return wrong


def _value_problems(rows: list[list[Any]], wanted: Any) -> list[str]:
    if len(rows) != 1:
        return [f"expected the one value {shown(wanted)}, found {_count(rows)}"]
    found = rows[0][0]
    return [] if found == wanted else [f"expected {shown(wanted)}, found {shown(found)}"]


def _values_problems(rows: list[list[Any]], wanted: Sequence[Any]) -> list[str]:
    """Compares whole rows where a list is expected, first columns where a single value is."""
    whole = any(isinstance(item, list) for item in wanted)
    found = rows if whole else [row[0] for row in rows]
    if found == list(wanted):
        return []
    return [f"expected {shown(list(wanted))}, found {shown(found)}"]


def _count(rows: list[list[Any]]) -> str:
    return "1 row" if len(rows) == 1 else f"{len(rows)} rows"


def _plain(value: Any) -> Any:
    """A database's value as JSON has it."""
    if value is None or isinstance(value, (bool, int, float, str, list, dict)):
        return value
    if isinstance(value, Decimal) and value.is_finite():
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value)
