"""The stack that a run needs: the one that runs, or one that lives exactly as long as the run."""

from collections.abc import Iterator
from contextlib import contextmanager

from conductor_app.cli.output import Output
from conductor_app.cli.run_follow import teller
from conductor_app.settings import Settings
from conductor_app.stack import embedded
from conductor_app.stack.embedded import RunningStack
from conductor_app.stack.launch import launch
from conductor_app.stack.leftovers import end_leftovers
from conductor_app.stack.supervisor_client import ProgramState

# A killed API is back within a few seconds; a machine under load may need longer.
PATIENCE_SECONDS = 60.0


@contextmanager
def running_stack(settings: Settings, output: Output) -> Iterator[RunningStack]:
    """Start a stack unless one runs, and stop it in the end if it was started here.

    Interrupted while it stops, it hurries: work in progress is not waited for any longer; whoever
    continues does it again.
    """
    with output.working("Starting ...") as update:

        def progress(states: dict[str, ProgramState]) -> None:
            update("Starting: " + ", ".join(f"{s.name} {s.state.lower()}" for s in states.values()))

        stack, fresh = launch(settings, progress)
    if not fresh:
        teller(output)("Conductor runs already and goes on afterwards; `conductor down` stops it")
    try:
        yield stack
    finally:
        if fresh:
            _stop(stack, output)


def _stop(stack: RunningStack, output: Output) -> None:
    try:
        with output.working("Stopping what this run started ..."):
            embedded.stop(stack.home)
    except KeyboardInterrupt:
        output.note("Hurrying: what is unfinished will be done again.")
        hurry(stack)


def hurry(stack: RunningStack) -> None:
    """End every process of the stack now; the database keeps what was done."""
    supervisor = stack.supervisor()
    if supervisor.answers():
        supervisor.shut_down()
    end_leftovers(stack.home)
