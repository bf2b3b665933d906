"""Commands of budgets: `budget` shows them, `budget raise` and the others give more."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import click

from conductor_app.cli.budget_words import AMOUNT, amounts, budget_rows, remarks, usage_rows
from conductor_app.cli.chosen import execution_option, to_be_shown
from conductor_app.cli.invocation import COMMON_OPTIONS, Invocation, command
from conductor_app.cli.reading import reading
from conductor_app.errors import Ambiguous, NotFound

DIMENSIONS = ("day", "project", "execution", "task", "agent", "connector", "model")
# How many days, executions and so on are shown at most.
SHOWN = 500
# Of usage, on a narrow terminal: the sentences below the table have the first four's sums.
DISPENSABLE = (
    *("Unpriced", "Silent", "Soft cap", "At worst"),
    *("Id", "Workflow", "from cache", "out", "Tokens in"),
)
COLUMNS = ("Budget", "Unit", "Cap", "Spent", "Reserved", "Remaining")
# From the other three: what is copied, the budget's name, matters more on a narrow terminal.
FOLLOWS = ("Reserved",)


@click.group("budget", invoke_without_command=True, epilog="\b\nExample:\n  conductor budget")
@click.pass_context
def command_budget(context: click.Context) -> None:
    """Show what may be spent, what is, what is reserved for calls under way and what remains.

    Works with no server running. The commands below show one budget or what was used, and give
    more.
    """
    if context.invoked_subcommand is None:
        context.invoke(command_show)


for _option in reversed(COMMON_OPTIONS):
    _option(command_budget)


@command("show", example="conductor budget show execution", short_help="Show budgets, or one.")
@execution_option
@click.argument("budget", required=False)
def command_show(
    invocation: Invocation, execution: str | None = None, budget: str | None = None
) -> None:
    """Show today's budgets and those of the execution, or only BUDGET.

    BUDGET is installation, project, project:NAME, execution, execution:ID or task:KEY; of the
    first two also another day (UTC): installation:2027-01-15.
    """
    from conductor_app.cli.budget_named import spoken
    from conductor_app.engine.budget_standing import find
    from conductor_app.views import budgets

    daily = invocation.settings.daily
    with reading(invocation.settings) as tx:
        if budget is not None:
            name = find(tx, spoken(tx, invocation, budget, execution))
            items = [budgets.budget(tx, name, daily)]
        else:
            items = budgets.around(tx, daily, *_subject(tx, invocation, execution))
    output = invocation.output
    output.table(COLUMNS, [row for each in items for row in budget_rows(each)], FOLLOWS)
    for line in remarks(items):
        output.say(line)
    output.result({"items": items, "next_cursor": None}, "Budgets")


@command(
    "usage",
    example="conductor budget usage --by model --since 2027-01-01",
    short_help="Show what was used and what it cost.",
)
@click.option("--by", type=click.Choice(DIMENSIONS), default="day", help="Else by day.")
@click.option("--execution", metavar="ID", help="Only this execution, or `current`.")
@click.option("--since", metavar="DAY", help="From this day (UTC), such as 2027-01-15.")
@click.option("--until", metavar="DAY", help="Up to and with this day.")
def command_usage(
    invocation: Invocation, by: str, execution: str | None, since: str | None, until: str | None
) -> None:
    """Show what was used and what it cost, of everything or of what the options name."""
    from conductor_app.cli.budget_named import day, project_id
    from conductor_app.views import usage

    with reading(invocation.settings) as tx:
        if execution is not None:
            named = None if execution == "current" else execution
            execution = str(to_be_shown(tx, invocation, named).id)
        wanted = usage.of(execution, project_id(tx, invocation), day(since), day(until))
        page = usage.by(tx, by, *wanted, limit=SHOWN)
        total = usage.total(tx, *wanted)
    output = invocation.output
    if page.items:
        output.table(*usage_rows(by, page.items, total), DISPENSABLE)
    calls = f"{total['calls']:,} call{'s' * (total['calls'] != 1)}"
    sentence = f"{calls}, {total['tokens']:,} tokens, {total['cost_usd']} USD."
    output.say(f"\n{sentence}" if page.items else "Nothing was used yet that costs money.")
    for line in usage.remarks(total):
        output.say(line)
    if page.next_cursor:
        output.say(f"Only the first {SHOWN} are shown; narrow it with --since.")
    output.result(
        {"by": by, "items": page.items, "next_cursor": page.next_cursor, "total": total}, sentence
    )


def _amounts(function: Callable[..., None]) -> Callable[..., None]:
    """The options of `set` and `raise`."""
    function = _reason(function)
    for name, metavar in (("minutes", "M"), ("usd", "X"), ("tokens", "N")):
        text = {"minutes": "Working time of an execution.", "usd": "USD.", "tokens": "Tokens."}
        function = click.option(f"--{name}", metavar=metavar, type=AMOUNT, help=text[name])(
            function
        )
    return function


def _reason(function: Callable[..., None]) -> Callable[..., None]:
    return click.option("--reason", required=True, help="Kept with the change.")(function)


@command(
    "set",
    example='conductor budget set execution --usd 5 --reason "Agreed with Ann"',
    short_help="Give a budget other caps.",
)
@execution_option
@click.argument("budget")
@_amounts
def command_set(
    invocation: Invocation, execution: str | None, budget: str, reason: str, **given: Any
) -> None:
    """Give BUDGET these caps; `none` is no cap, what is left out stays.

    BUDGET is installation, project, project:NAME, execution, execution:ID or task:KEY. A day's
    caps change for today; the settings have those of all days.
    """
    _change(invocation, "PATCH", execution, budget, "", {**amounts(given), "reason": reason})


@command(
    "raise",
    example='conductor budget raise execution --usd 5 --reason "Nearly done"',
    short_help="Add to the caps of a budget.",
)
@execution_option
@click.argument("budget")
@_amounts
def command_raise(
    invocation: Invocation, execution: str | None, budget: str, reason: str, **given: Any
) -> None:
    """Add so much to the caps of BUDGET; what it had stopped goes on.

    BUDGET is installation, project, project:NAME, execution, execution:ID or task:KEY. A day's
    caps change for today; the settings have those of all days.
    """
    body = {**amounts(given, more=True), "reason": reason}
    _change(invocation, "POST", execution, budget, "/raise", body)


@command(
    "emergency",
    example='conductor budget emergency --reason "The release is today"',
    short_help="Add the emergency pool to today's tokens.",
)
@_reason
def command_emergency(invocation: Invocation, reason: str) -> None:
    """Add the emergency pool to the tokens that the installation may use today; once a day."""
    _change(invocation, "POST", None, "installation", "/emergency", {"reason": reason})


@command(
    "allow-unknown-price",
    example='conductor budget allow-unknown-price execution --reason "It runs on our machine"',
    short_help="Let calls be made whose price nobody knows.",
)
@execution_option
@click.argument("budget", default="execution")
@_reason
def command_allow_unknown_price(
    invocation: Invocation, execution: str | None, budget: str, reason: str
) -> None:
    """Let the execution call models whose price nobody knows; their tokens are still counted."""
    _change(invocation, "POST", execution, budget, "/unknown-price", {"reason": reason})


for _each in (
    command_show,
    command_usage,
    command_set,
    command_raise,
    command_emergency,
    command_allow_unknown_price,
):
    command_budget.add_command(_each)


def _subject(tx: Any, invocation: Invocation, execution: str | None) -> tuple[Any, str | None]:
    """The execution to show, where there is one, and the project."""
    from conductor_app.cli.budget_named import project_id

    try:
        return to_be_shown(tx, invocation, execution), None
    except (NotFound, Ambiguous):
        if execution is not None:
            raise
        return None, project_id(tx, invocation)


def _change(
    invocation: Invocation,
    method: str,
    execution: str | None,
    budget: str,
    what: str,
    body: dict[str, Any],
) -> None:
    from conductor_app.cli.budget_named import spoken
    from conductor_app.cli.client import running_api

    api = running_api(invocation.settings)
    with reading(invocation.settings) as tx:
        name = spoken(tx, invocation, budget, execution)
    path = f"budgets/{quote(name, safe=':')}{what}"
    answer = api.patch(path, body) if method == "PATCH" else api.post(path, body)
    output = invocation.output
    output.say(f"{answer.message.rstrip('.')}.")
    output.table(COLUMNS, budget_rows(answer.data), FOLLOWS)
    output.result(answer.data, answer.message)
