"""The command `check`: every mistake in a workflow template at once."""

from dataclasses import asdict

import click

from conductor_app.cli.invocation import Invocation, command


@command("check", example="conductor check workflows/release.yml")
@click.argument("workflow", default="project-conductor")
def command_check(invocation: Invocation, workflow: str) -> None:
    """Find every mistake in WORKFLOW, a template's file or the name of one that is built in.

    Each is shown as FILE:LINE:COLUMN. Exits with 2 when there are errors; warnings permit a run.
    """
    from conductor_app.workflows import loader

    problems = loader.check(workflow)
    errors = sum(problem.severity == "error" for problem in problems)
    for problem in problems:
        invocation.output.say(str(problem))
    sentence = f"{loader.locate(workflow).name}: {_counted(errors, len(problems) - errors)}"
    invocation.output.say(sentence)
    invocation.output.result([asdict(problem) for problem in problems], sentence)
    if errors:
        raise click.exceptions.Exit(2)


def _counted(errors: int, warnings: int) -> str:
    if not errors and not warnings:
        return "nothing to complain of."
    return f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}."
