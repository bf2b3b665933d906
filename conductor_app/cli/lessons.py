"""Commands of what was learnt: `lessons` lists it, `lessons accept` and `reject` decide."""

from typing import Any

import click

from conductor_app.cli.chosen import to_be_listed
from conductor_app.cli.invocation import COMMON_OPTIONS, Invocation, command
from conductor_app.cli.reading import reading
from conductor_app.cli.words import one_line

SHOWN = 500
PROPOSED = "proposed"


@click.group("lessons", invoke_without_command=True, epilog="\b\nExample:\n  conductor lessons")
@click.option("--proposed", is_flag=True, help="Only what waits for you.")
@click.option("--all", "everything", is_flag=True, help="Also what was rejected.")
@click.option("--execution", metavar="ID", help="Only those of this execution.")
@click.pass_context
def command_lessons(
    context: click.Context, proposed: bool, everything: bool, execution: str | None
) -> None:
    """List what was learnt, the newest first: agents are told of it.

    A proposed lesson is an agent's; nobody is told before you accept it. Works with no server
    running.
    """
    if context.invoked_subcommand is None:
        states = _states(proposed, everything)
        _list(context.ensure_object(Invocation), states, execution)


for _option in reversed(COMMON_OPTIONS):
    _option(command_lessons)


@command(
    "accept", example="conductor lessons accept 01JC2QDEX3", short_help="Let agents be told of it."
)
@click.argument("lesson")
@click.option("--reason", default="", help="Kept with the lesson.")
def command_accept(invocation: Invocation, lesson: str, reason: str) -> None:
    """Accept LESSON, proposed or rejected: agents of its role or phase are told from now on."""
    _decide(invocation, lesson, "accept", reason)


@command(
    "reject",
    example='conductor lessons reject 01JC2QDEX3 --reason "It holds for this task only"',
    short_help="Let nobody be told of it.",
)
@click.argument("lesson")
@click.option("--reason", default="", help="Kept with the lesson.")
def command_reject(invocation: Invocation, lesson: str, reason: str) -> None:
    """Reject LESSON, whether it was proposed or counts already: nobody is told any more."""
    _decide(invocation, lesson, "reject", reason)


command_lessons.add_command(command_accept)
command_lessons.add_command(command_reject)


def _states(proposed: bool, everything: bool) -> list[str] | None:
    if proposed:
        return [PROPOSED]
    return None if everything else ["recorded", PROPOSED, "accepted"]


def _list(invocation: Invocation, states: list[str] | None, execution: str | None) -> None:
    from conductor_app.views import lists

    with reading(invocation.settings) as tx:
        project_id, execution_id = to_be_listed(tx, invocation, execution)
        page = lists.lessons(
            tx,
            project_id,
            execution_id=execution_id,
            status=states,
            limit=SHOWN,
        )
    output = invocation.output
    for row in page.items:
        output.say(_told(row))
    if page.next_cursor:
        output.say(f"Only the newest {SHOWN} are shown; narrow it with --execution.")
    sentence = _in_short(page.items, waiting=states == [PROPOSED])
    output.say(sentence)
    output.result({"items": page.items, "next_cursor": page.next_cursor}, sentence)


def _in_short(rows: list[dict[str, Any]], *, waiting: bool) -> str:
    """What waits for a person, and how it is decided; else how many there are."""
    proposed = [row["id"] for row in rows if row["status"] == PROPOSED]
    if proposed:
        return (
            f"{len(proposed)} proposed. Decide: conductor lessons accept {proposed[0]}, "
            f"or conductor lessons reject {proposed[0]}"
        )
    if waiting:
        return "No lesson waits for you."
    return f"{len(rows)} lesson{'s' * (len(rows) != 1)}." if rows else "No lessons."


def _told(row: dict[str, Any]) -> str:
    who = f" (agent-{row['agent']})" if row["agent"] else ""
    phase = f", phase {row['phase']}" if row["phase"] is not None else ""
    done = f"\n  Done: {one_line(row['action_taken'])}" if row["action_taken"] else ""
    why = f"\n  Why: {one_line(row['reason'])}" if row["reason"] else ""
    return (
        f"{row['id']}  {row['status']} {row['category']}{phase}{who}:\n"
        f"  {row['description']}{done}{why}\n"
    )


def _decide(invocation: Invocation, lesson: str, verb: str, reason: str) -> None:
    from conductor_app.cli.client import running_api

    path = f"lessons/{lesson.upper()}/{verb}"
    told = running_api(invocation.settings).post(path, {"reason": reason})
    sentence = f"{told.message.rstrip('.')}."
    invocation.output.say(sentence)
    invocation.output.result(told.data, sentence)
