"""Commands of the stack on this machine: `up`, `down`, `doctor`."""

import time

import click

from conductor_app.cli.invocation import Invocation, command


@command("up", example="conductor up --port 3100")
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the API. [default: 3000]")
@click.option("--flower", is_flag=True, default=None, help="Also run Flower, Celery's monitor.")
def command_up(invocation: Invocation, port: int | None, flower: bool | None) -> None:
    """Start everything on this machine, in the background, and wait until it is ready.

    Redis, the API, the workers and the clock run under a supervisor that brings back what dies.
    Without --port the API gets port 3000 or the next free one.
    """
    from conductor_app.stack.launch import launch
    from conductor_app.stack.supervisor_client import ProgramState

    started = time.monotonic()
    settings = invocation.settings_with(port=port, flower=flower)
    for warning in settings.warnings():
        invocation.output.note(f"Warning: {warning}")
    with invocation.output.working("Starting ...") as update:

        def progress(states: dict[str, ProgramState]) -> None:
            update("Starting: " + ", ".join(f"{s.name} {s.state.lower()}" for s in states.values()))

        stack, fresh = launch(settings, progress)
    seconds = time.monotonic() - started
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
    from conductor_app.stack import embedded

    home = invocation.settings.home
    with invocation.output.working("Stopping; work in progress reaches a safe point ..."):
        ran = embedded.stop(home)
    sentence = "Conductor is down." if ran else f"Nothing was running on {home}."
    invocation.output.say(sentence)
    invocation.output.result({"home": home, "stopped": ran}, sentence)


@command("doctor", example="conductor doctor --json")
def command_doctor(invocation: Invocation) -> None:
    """Check what Conductor needs on this machine, and say how to install what is missing."""
    from conductor_app.stack.doctor import examine

    output = invocation.output
    findings = examine(invocation.settings_with())
    marks = {True: "ok     ", False: "missing"}
    for finding in findings:
        mark = marks[finding.ok] if finding.required else ("ok     " if finding.ok else "absent ")
        output.say(f"{mark}  {finding.name:<15} {finding.found}")
        if not finding.ok:
            output.say(f"         {'':<15} {finding.advice}")
    missing = [finding.name for finding in findings if finding.required and not finding.ok]
    sentence = (
        f"Missing: {', '.join(missing)}." if missing else "Everything that Conductor needs is here."
    )
    output.say(f"\n{sentence}")
    output.result([finding.as_row() for finding in findings], sentence)
    if missing:
        raise click.exceptions.Exit(1)
