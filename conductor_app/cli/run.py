"""The command `run`: a workflow from its start to its verified end, shown while it happens."""

from pathlib import Path

import click

from conductor_app.cli.invocation import Invocation, command
from conductor_app.errors import InvalidInput


@command("run", example="conductor run --input title=Wishes")
@click.argument("workflow", required=False)
@click.option("--connector", help="How agents reach a model. [default: replay, costs nothing]")
@click.option(
    "--from",
    "start",
    type=click.IntRange(min=0),
    default=0,
    metavar="PHASE",
    help="Replay the phases before this one from recordings, whatever the connector.",
)
@click.option("--record", is_flag=True, help="Keep what was done, to be replayed at no cost.")
@click.option("--resume", is_flag=True, help="Go on with the project's unfinished execution.")
@click.option("--input", "inputs", multiple=True, metavar="NAME=VALUE", help="Repeatable.")
@click.option("--priority", help="low, normal, high, critical, or a number. [default: normal]")
def command_run(
    invocation: Invocation,
    workflow: str | None,
    connector: str | None,
    start: int,
    record: bool,
    resume: bool,
    inputs: tuple[str, ...],
    priority: str | None,
) -> None:
    """Run WORKFLOW, a file or a built-in name, to its verified end.

    Without --project in a fresh repository beside the data directory. Starts what it needs and
    stops it again, unless `conductor up` has started it. Ctrl-C pauses; --resume goes on.
    """
    from conductor_app import settings_review
    from conductor_app.cli import run_course, run_interruptions, run_order, run_project

    run_interruptions.set_up()
    settings = invocation.settings
    order = None
    if not resume:
        order = run_order.settle(
            settings, workflow, inputs, connector=connector, start=start, priority=priority
        )
    elif workflow or connector or start or inputs or priority:
        raise InvalidInput("--resume goes on as the execution was started; give it --project only.")
    place = run_project.chosen_place(invocation.project, Path.cwd())
    warnings = [*settings_review.warnings(settings), run_project.warning_of(place)]
    if order is not None:
        warnings.append(run_project.warning_of_setup(place, order))
    for warning in filter(None, warnings):
        invocation.output.note(f"Warning: {warning}")
    location = None if place is None else str(place)
    run_course.run(settings, invocation.output, order, location, record=record)
