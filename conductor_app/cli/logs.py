"""The command `logs`: what the attempts at a task wrote, or what the stack's processes wrote."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from conductor_app.cli.chosen import execution_option, to_be_shown
from conductor_app.cli.follow import Follower, Source
from conductor_app.cli.invocation import Invocation, command
from conductor_app.cli.reading import reading
from conductor_app.cli.tasks import task_of
from conductor_app.errors import NotFound
from conductor_app.views.units import numbered

if TYPE_CHECKING:
    from conductor_app.cli.output import Output
    from conductor_app.settings import Settings

POLL_SECONDS = 0.25
ATTEMPTS_SHOWN = 100


@command("logs", example="conductor logs 1/crud-api -f")
@execution_option
@click.argument("task", required=False)
@click.option("-f", "--follow", "following", is_flag=True, help="Go on showing what is added.")
@click.option("-n", "--lines", type=click.IntRange(min=0), default=40, show_default=True)
def command_logs(
    invocation: Invocation, execution: str | None, task: str | None, following: bool, lines: int
) -> None:
    """Show what the attempts at TASK wrote; without TASK what the stack's processes wrote.

    LINES is how many of each log are shown at first.
    """

    def sources() -> Sequence[Source]:
        if task is None:
            return _of_stack(invocation.settings)
        return _of_task(invocation, execution, task)

    follower = Follower(sources)
    _show(invocation.output, follower, lines)
    if following:
        _follow(invocation.output, follower)


def _show(output: "Output", follower: Follower, lines: int) -> None:
    shown = list(follower.last(lines))
    if not shown:
        raise NotFound("Nothing was written yet. `conductor why TASK` says what a task waits for.")
    for source, found in shown:
        output.say(f"==> {source.name}: {source.file}")
        for line in found:
            output.say(line)
    output.result(
        [{"name": source.name, "file": source.file, "lines": found} for source, found in shown]
    )


def _follow(output: "Output", follower: Follower) -> None:
    while True:
        for source, found in follower.added():
            for line in found:
                output.say(f"{source.name} | {line}")
        time.sleep(POLL_SECONDS)


def _of_stack(settings: "Settings") -> list[Source]:
    return [Source(file.stem, file) for file in sorted(settings.places.logs.glob("*.log"))]


def _of_task(invocation: Invocation, execution: str | None, named: str) -> list[Source]:
    from conductor_app.views import lists

    settings = invocation.settings
    with reading(settings) as tx:
        chosen = to_be_shown(tx, invocation, execution)
        key = task_of(tx, chosen.id, named).key
        attempts = lists.attempts(tx, chosen.id, task=key, limit=ATTEMPTS_SHOWN).items
    files = [
        (each, settings.places.artifacts / chosen.id / each["id"] / "log.txt") for each in attempts
    ]
    return [
        Source(f"{key} {numbered(each)} ({_how(each)})", file)
        for each, file in files
        if file.exists()
    ]


def _how(attempt: dict[str, Any]) -> str:
    """How it ended, and how its commands were confined."""
    return ", ".join(filter(None, (attempt["status"], attempt["sandbox"])))
