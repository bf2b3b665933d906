"""Commands of the current execution: what it is doing, and what people ask of it."""

from pathlib import Path
from typing import Any

import click

from conductor_app.cli.chosen import current_or_named, execution_option, to_be_shown
from conductor_app.cli.invocation import Invocation, command
from conductor_app.cli.left_alone import left_alone
from conductor_app.cli.project import directory_around
from conductor_app.cli.reading import reading
from conductor_app.cli.status_words import status_lines


@command("status", example="conductor status")
@execution_option
def command_status(invocation: Invocation, execution: str | None) -> None:
    """Show phase, agents, milestones and tasks; works with no server running."""
    from conductor_app.views.status import status

    with reading(invocation.settings) as tx:
        chosen = to_be_shown(tx, invocation, execution)
        shown = status(tx, chosen.id, invocation.settings.default_connector)
        alone = left_alone(tx, invocation.settings, chosen)
    for line in (*status_lines(shown), *filter(None, [alone])):
        invocation.output.say(line)
    invocation.output.result(shown, "Orchestrator status")


@command("report", example="conductor report > report.md")
@execution_option
def command_report(invocation: Invocation, execution: str | None) -> None:
    """Say what was done, proved and spent, as Markdown; works with no server running."""
    from conductor_app.recordings import recorded_here
    from conductor_app.views.report import markdown, report

    with reading(invocation.settings) as tx:
        chosen = to_be_shown(tx, invocation, execution)
        recorded = recorded_here(chosen.workflow_name, invocation.settings)
        shown = report(tx, chosen.id, invocation.settings.default_connector, recorded)
    invocation.output.say(markdown(shown))
    invocation.output.result(shown, "Report")


@command("dashboard", example="conductor dashboard")
@execution_option
def command_dashboard(invocation: Invocation, execution: str | None) -> None:
    """Show the whole picture once, as Markdown; works with no server running."""
    from conductor_app.views.dashboard import dashboard, markdown

    with reading(invocation.settings) as tx:
        chosen = to_be_shown(tx, invocation, execution)
        shown = dashboard(tx, chosen.id, invocation.settings.default_connector)
    invocation.output.say(markdown(shown))
    invocation.output.result(shown, "Dashboard")


@command("start", example="conductor start")
@execution_option
def command_start(invocation: Invocation, execution: str | None) -> None:
    """Let a paused execution go on; what was found wanting is judged again.

    A new execution is started by `conductor run`.
    """
    _ask(invocation, execution, "executions/{id}/resume")


@command("stop", example="conductor stop --cancel")
@execution_option
@click.option("--cancel", is_flag=True, help="End the execution for good instead of pausing it.")
@click.option("--reason", help="Why it is paused, for others to see.")
def command_stop(
    invocation: Invocation, execution: str | None, cancel: bool, reason: str | None
) -> None:
    """Pause the execution: nothing new begins, what runs goes on to its end, its state is kept."""
    body = {"reason": reason} if reason and not cancel else None
    _ask(invocation, execution, f"executions/{{id}}/{'cancel' if cancel else 'pause'}", body)


@command("test", example="conductor test")
@execution_option
@click.option("--no-wait", is_flag=True, help="Only ask for it; `conductor report` has the result.")
def command_test(invocation: Invocation, execution: str | None, no_wait: bool) -> None:
    """Run the current phase's exit criteria and tests now. Exits with 1 when one fails."""
    from conductor_app.cli.judged import wait_for_job

    told = _ask(invocation, execution, "orchestrator/test?execution={id}", quiet=not no_wait)
    if no_wait:
        return
    if not wait_for_job(invocation, told["job_id"]):
        raise click.exceptions.Exit(1)


@command("advance", example="conductor advance")
@execution_option
def command_advance(invocation: Invocation, execution: str | None) -> None:
    """Go to the next phase; refused while tasks, milestones or tests of this one are missing."""
    _ask(invocation, execution, "executions/{id}/advance")


@command("rollback", example="conductor rollback --to 1")
@execution_option
@click.option("--to", type=click.IntRange(min=0), help="The phase; else the one before this one.")
def command_rollback(invocation: Invocation, execution: str | None, to: int | None) -> None:
    """Do again from the beginning of a phase; the branch moves on to the tree it had then."""
    _ask(invocation, execution, "executions/{id}/rollback", {} if to is None else {"to": to})


@command("deploy", example="conductor deploy models")
@execution_option
@click.argument("agent")
def command_deploy(invocation: Invocation, execution: str | None, agent: str) -> None:
    """Make AGENT available to the execution and send out its ready tasks now."""
    name = agent.removeprefix("agent-")
    _ask(invocation, execution, f"orchestrator/deploy/{name}?execution={{id}}")


def _ask(
    invocation: Invocation,
    execution: str | None,
    path: str,
    body: dict[str, Any] | None = None,
    *,
    quiet: bool = False,
) -> dict[str, Any]:
    """Have the API do something with the execution that is meant; what it answered."""
    from conductor_app.cli.client import running_api

    api = running_api(invocation.settings)
    with reading(invocation.settings) as tx:
        meant = current_or_named(tx, invocation, execution)
    answer = api.post(path.format(id=meant.id), body)
    if not quiet:
        invocation.output.say(f"{answer.message.rstrip('.')}.{_elsewhere(meant.location)}")
        invocation.output.result(answer.data, answer.message)
    told: dict[str, Any] = answer.data or {}
    return told


def _elsewhere(location: str) -> str:
    """Said where the working directory does not show whose execution was meant."""
    return "" if location == str(directory_around(Path.cwd())) else f" It is that on {location}."
