"""Commands of what agents ask people: `decisions`, `decide`."""

from typing import Any

import click

from conductor_app.cli.chosen import to_be_listed
from conductor_app.cli.invocation import Invocation, command
from conductor_app.cli.reading import reading
from conductor_app.cli.words import one_line

SHOWN = 500


@command("decisions", example="conductor decisions")
@click.option("--all", "everything", is_flag=True, help="Also what was answered or withdrawn.")
@click.option("--execution", metavar="ID", help="Only those of this execution.")
def command_decisions(invocation: Invocation, everything: bool, execution: str | None) -> None:
    """List what agents ask. A task that asks waits for its answer, and no worker waits with it."""
    from conductor_app.views import decisions

    with reading(invocation.settings) as tx:
        project_id, execution_id = to_be_listed(tx, invocation, execution)
        rows = decisions.listed(
            tx,
            project_id=project_id,
            execution_id=execution_id,
            status=None if everything else "pending",
            limit=SHOWN,
        ).items
    output = invocation.output
    for row in rows:
        output.say(_told(row))
    pending = [row for row in rows if row["status"] == "pending"]
    sentence = (
        f"{len(pending)} to be decided. Answer one: conductor decide {pending[0]['id']} ANSWER"
        if pending
        else "Nothing is to be decided."
    )
    output.say(sentence)
    output.result({"items": rows}, sentence)


@command(
    "decide",
    example="conductor decide 01JC2QDEX3 PostgreSQL",
    # An answer may begin with a dash.
    context_settings={"ignore_unknown_options": True},
)
@click.argument("decision")
@click.argument("answer", nargs=-1, required=True, type=click.UNPROCESSED)
def command_decide(invocation: Invocation, decision: str, answer: tuple[str, ...]) -> None:
    """Answer DECISION: its task goes on with ANSWER, one of the options where there are some."""
    from conductor_app.cli.client import running_api

    path = f"decisions/{decision.upper()}/answer"
    told = running_api(invocation.settings).post(path, {"answer": " ".join(answer)})
    sentence = f"{told.message.rstrip('.')}."
    invocation.output.say(sentence)
    invocation.output.result(told.data, sentence)


def _told(row: dict[str, Any]) -> str:
    choice = f"\n  Options: {', '.join(row['options'])}" if row["options"] else ""
    answer = f"\n  Decided: {one_line(row['answer'])}" if row["answer"] else ""
    if row["status"] == "withdrawn":
        answer = "\n  Withdrawn: its task ended, or began anew"
    asks = f"{row['task']} of {row['execution_id']} (agent-{row['agent']}) asks"
    return f"{row['id']}  {asks}:\n  {row['question']}{choice}{answer}\n"
