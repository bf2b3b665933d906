"""From nothing to a ready stack: what `conductor up` and `conductor run` have in common."""

import time
from contextlib import suppress

from conductor_app.errors import ConductorError
from conductor_app.settings import Settings
from conductor_app.stack import embedded
from conductor_app.stack.embedded import RunningStack
from conductor_app.stack.ports import PortLost
from conductor_app.stack.reachable import require_reachable
from conductor_app.stack.readiness import POLL_SECONDS, Progress, wait_until_ready

# Of several installations that start at once, each try decides for one of them.
PORTS_TRIED = 6
# Until a stack whose port was lost has been stopped by whoever started it.
END_SECONDS = 30.0


def launch(
    settings: Settings, progress: Progress = lambda _: None, *, keep: bool = True
) -> tuple[RunningStack, bool]:
    """The ready stack of this data directory, and whether this call started it.

    Without `keep` it ends with the last registered user; the caller is one. A stack that this call
    started and that does not become ready is stopped again.
    Raises Unreachable, EnvironmentProblem, StackProblem.
    """
    require_reachable(settings)
    for _ in range(PORTS_TRIED - 1):
        # Whoever was faster has the port for good, so the next start chooses the next free one.
        with suppress(PortLost):
            return _launch(settings, progress, keep=keep)
    return _launch(settings, progress, keep=keep)


def _launch(settings: Settings, progress: Progress, *, keep: bool) -> tuple[RunningStack, bool]:
    stack, fresh = embedded.start(settings, before=upgrade_database, keep=keep)
    try:
        wait_until_ready(stack, progress)
    except PortLost:
        if fresh:
            embedded.stop(settings.home)
        else:
            _wait_for_its_end(stack)
        raise
    except ConductorError:
        if fresh:
            embedded.stop(settings.home)
        raise
    except BaseException:
        # A person had enough of waiting; another run may wait for the same stack.
        if fresh and keep:
            embedded.stop(settings.home)
        raise
    return stack, fresh


def _wait_for_its_end(stack: RunningStack) -> None:
    """Whoever started it stops it and begins anew; found before that, its port is lost again."""
    deadline = time.monotonic() + END_SECONDS
    while (found := embedded.find(stack.home)) and found.port == stack.port:
        if time.monotonic() > deadline:
            return
        time.sleep(POLL_SECONDS)


def upgrade_database(settings: Settings) -> None:
    """Bring the database's tables up to date; nothing of the stack runs meanwhile."""
    # Imported here: a stack that runs already is found without loading SQLAlchemy and Alembic.
    from conductor_app.store import migrations

    migrations.upgrade(settings.database_url)
