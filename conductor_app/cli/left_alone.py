"""What is said of an execution that goes on in the database while nobody cares for it."""

from typing import TYPE_CHECKING, Any

from conductor_app.cli.words import resume_command

if TYPE_CHECKING:
    from sqlalchemy import Row

    from conductor_app.settings import Settings
    from conductor_app.store.database import Transaction


def left_alone(tx: "Transaction", settings: "Settings", execution: "Row[Any]") -> str | None:
    """A sentence with the way out; None when somebody cares, or nothing is to be done."""
    if execution.status != "running":
        return None
    # Imported here: of most executions nothing of this is asked.
    from conductor_app.engine.dispatch import SILENCE
    from conductor_app.stack import embedded, users
    from conductor_app.store import workers as worker_rows

    stack = embedded.find(settings.home)
    if stack and not stack.kept and not users.living(settings.home):
        return (
            "The run that started Conductor was killed, and what it started goes on; "
            "`conductor down` stops it."
        )
    if stack or worker_rows.fresh(tx, SILENCE):
        return None
    return (
        f"No worker is at work, so nothing moves. Go on with: {resume_command(execution.location)}"
    )
