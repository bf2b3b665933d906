"""The command `signals`: what agents say needs action."""

from typing import Any

import click

from conductor_app.cli.chosen import to_be_listed
from conductor_app.cli.invocation import Invocation, command
from conductor_app.cli.reading import reading
from conductor_app.domain.signals import SignalType

SHOWN = 500


@command("signals", example="conductor signals --type quality_issue")
@click.option("--execution", metavar="ID", help="Only those of this execution.")
@click.option("--type", "type_", type=click.Choice([each.value for each in SignalType]))
def command_signals(invocation: Invocation, execution: str | None, type_: str | None) -> None:
    """List what agents noticed and their tasks do not settle, the newest first."""
    from conductor_app.views import signals

    with reading(invocation.settings) as tx:
        project_id, execution_id = to_be_listed(tx, invocation, execution)
        page = signals.listed(
            tx,
            project_id=project_id,
            execution_id=execution_id,
            type_=type_,
            limit=SHOWN,
        )
    output = invocation.output
    for row in page.items:
        output.say(_told(row))
    if page.next_cursor:
        output.say(f"Only the newest {SHOWN} are shown; narrow it with --execution or --type.")
    count = len(page.items)
    sentence = f"{count} signal{'s' * (count != 1)}." if count else "Nothing was reported."
    output.say(sentence)
    output.result({"items": page.items, "next_cursor": page.next_cursor}, sentence)


def _told(row: dict[str, Any]) -> str:
    detail = f"\n  {row['detail']}" if row["detail"] else ""
    who = f"{row['task']} of {row['execution_id']} (agent-{row['agent']})"
    return f"{row['id']}  {row['type']}, {row['created_at']}, {who}:\n  {row['title']}{detail}\n"
