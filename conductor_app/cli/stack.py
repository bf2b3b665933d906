"""Commands of the stack on this machine: `up`, `down`, `doctor`."""

import time
from typing import TYPE_CHECKING

import click

from conductor_app.cli.invocation import Invocation, command

if TYPE_CHECKING:
    from conductor_app.stack.doctor import Finding


@command("up", example="conductor up --port 3100")
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the API. [default: 3000]")
@click.option("--flower", is_flag=True, default=None, help="Also run Flower, Celery's monitor.")
def command_up(invocation: Invocation, port: int | None, flower: bool | None) -> None:
    """Start everything on this machine, in the background, and wait until it is ready.

    Redis, the API, the workers and the clock run under a supervisor that brings back what dies.
    Without --port the API gets port 3000 or the next free one.
    """
    from conductor_app.settings_review import warnings
    from conductor_app.stack import embedded
    from conductor_app.stack.launch import launch
    from conductor_app.stack.readiness import in_words

    started = time.monotonic()
    settings = invocation.settings_with(port=port, flower=flower)
    for warning in warnings(settings):
        invocation.output.note(f"Warning: {warning}")
    with invocation.output.working("Starting ...") as update:
        stack, fresh = launch(settings, lambda states: update(f"Starting: {in_words(states)}"))
    seconds = time.monotonic() - started
    if not fresh and (differs := embedded.warning_of_settings(settings)):
        invocation.output.note(f"Warning: {differs}")
    headline = (
        f"Conductor is up at {stack.url} ({seconds:.1f} s)."
        if fresh
        else f"Conductor is already running at {stack.url}."
    )
    invocation.output.say(
        f"{headline}\n"
        f"  Token of the API  {stack.token_file} (only you can read it)\n"
        f"  Logs              {stack.logs}\n"
        "  Stop it with      conductor down"
    )
    told = {"url": stack.url, "home": settings.home, "token_file": stack.token_file}
    invocation.output.result({**told, "logs": stack.logs, "started": fresh}, headline)


@command("down", example="conductor down")
def command_down(invocation: Invocation) -> None:
    """Stop what `up` started: work reaches a safe point first, nothing is lost."""
    from conductor_app.stack import embedded, users

    home = invocation.settings.home
    runs = len(users.living(home))
    with invocation.output.working("Stopping; work in progress reaches a safe point ..."):
        ran = embedded.stop(home)
    sentence = "Conductor is down." if ran else f"Nothing was running on {home}."
    if ran and runs:
        sentence += f" {_left_waiting(runs)}"
    invocation.output.say(sentence)
    invocation.output.result({"home": home, "stopped": ran}, sentence)


def _left_waiting(runs: int) -> str:
    if runs == 1:
        return "A run uses it, and goes on after `conductor up`, or ends with Ctrl-C."
    return f"{runs} runs use it, and go on after `conductor up`, or end with Ctrl-C."


@command("doctor", example="conductor doctor --json")
def command_doctor(invocation: Invocation) -> None:
    """Check what Conductor needs on this machine, and say how to install what is missing."""
    from conductor_app.stack.doctor import examine

    output = invocation.output
    findings = examine(invocation.settings_with())
    for finding in findings:
        output.say(f"{_mark(finding):<9}{finding.name:<20}{finding.found}")
        if not finding.ok:
            output.say(f"{'':<29}{finding.advice}")
    wrong = [finding.name for finding in findings if finding.required and not finding.ok]
    sentence = "Everything that Conductor needs is here."
    if wrong:
        sentence = f"To be put right: {', '.join(wrong)}."
    output.say(f"\n{sentence}")
    output.result([finding.as_row() for finding in findings], sentence)
    if wrong:
        raise click.exceptions.Exit(1)


def _mark(finding: "Finding") -> str:
    if finding.ok:
        return "ok"
    return "not ok" if finding.required else "absent"
