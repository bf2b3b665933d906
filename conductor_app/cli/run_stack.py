"""The stack that a run needs: the one that runs, or one that lives as long as any run uses it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from conductor_app.cli.output import Output
from conductor_app.cli.run_follow import teller
from conductor_app.settings import Settings
from conductor_app.stack import datadir, embedded, users
from conductor_app.stack.embedded import RunningStack
from conductor_app.stack.launch import launch
from conductor_app.stack.supervisor_client import ProgramState
from conductor_app.stack.users import User

# A killed API is back within a few seconds; a machine under load may need longer.
PATIENCE_SECONDS = 60.0
KEPT = "Conductor runs already and goes on afterwards; `conductor down` stops it"
SHARED = "Conductor runs already for another run; the last run that uses it stops it"
LEFT = "Conductor runs already: a run that was killed left it behind. This run stops it in the end"


@contextmanager
def running_stack(settings: Settings, output: Output) -> Iterator[RunningStack]:
    """Use the stack that runs, or start one; the last run that uses what a run started stops it.

    Interrupted while it stops, it hurries: work in progress is not waited for any longer; whoever
    continues does it again.
    """
    datadir.prepare(settings.home)
    with users.register(settings.home) as user:
        try:
            with output.working("Starting ...") as update:

                def progress(states: dict[str, ProgramState]) -> None:
                    shown = (f"{each.name} {each.state.lower()}" for each in states.values())
                    update(f"Starting: {', '.join(shown)}")

                stack, fresh = launch(settings, progress, keep=False)
            if not fresh:
                teller(output)(_found(stack, user))
                if warning := embedded.warning_of_settings(settings):
                    output.note(f"Warning: {warning}")
            yield stack
        finally:
            _leave(settings, user, output)


def goes_on(stack: RunningStack) -> bool:
    """Whether the stack outlives this run, as things are now."""
    running = embedded.find(stack.home)
    return running is not None and (running.kept or len(users.living(stack.home)) > 1)


def _found(stack: RunningStack, user: User) -> str:
    if stack.kept:
        return KEPT
    return SHARED if users.living(stack.home, besides=user) else LEFT


def _leave(settings: Settings, user: User, output: Output) -> None:
    home = settings.home

    def hurrying() -> None:
        output.note("Hurrying: what is unfinished will be done again.")

    # Interrupted before its turn came, it leaves the rest to the guard.
    with suppress(KeyboardInterrupt), output.working("Stopping what this run started ..."):
        embedded.stop_unused(home, user, hurrying)
    if (running := embedded.find(home)) and not running.kept:
        teller(output)("Conductor goes on: another run uses it")
