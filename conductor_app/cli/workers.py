"""The command `workers`."""

from typing import Any

import click

from conductor_app.cli.invocation import Invocation, command
from conductor_app.cli.reading import reading

SHOWN = 500


@command("workers", example="conductor workers")
@click.option("--all", "everyone", is_flag=True, help="Also those that have ended.")
def command_workers(invocation: Invocation, everyone: bool) -> None:
    """List the workers: their queues, their slots, and whether they were heard of lately.

    One that is lost told nothing of itself for as long as a lease: it was killed, or hangs.
    """
    from conductor_app.views import lists

    with reading(invocation.settings) as tx:
        rows = lists.workers(tx, limit=SHOWN).items
    shown = [row for row in rows if everyone or row["status"] != "down"]
    output = invocation.output
    if shown:
        output.table(
            ("Worker", "Role", "State", "Slots", "Sandbox", "Host", "Process", "Queues"),
            [
                (
                    row["id"][-8:],
                    row["role"],
                    row["status"],
                    row["slots"],
                    _sandbox(row),
                    row["host"],
                    row["pid"],
                    ", ".join(row["queues"]),
                )
                for row in shown
            ],
            dispensable=("Process", "Host", "Sandbox"),
        )
    heard = sum(row["heard"] for row in shown)
    sentence = (
        f"{heard} {'worker is' if heard == 1 else 'workers are'} at work."
        if heard
        else "No worker is at work; `conductor up` starts some."
    )
    output.say(f"\n{sentence}" if shown else sentence)
    output.result({"items": shown}, sentence)


def _sandbox(row: dict[str, Any]) -> str:
    """The level where an attempt has shown it, with the setting where that leaves it open."""
    level, setting = row["sandbox_level"], row["sandbox"] or ""
    return setting if level in (None, setting) else f"{level} ({setting})"
