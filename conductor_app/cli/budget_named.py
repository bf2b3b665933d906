"""Which budget, project and day a person means on the command line."""

from pathlib import Path
from typing import TYPE_CHECKING

from conductor_app.cli.chosen import to_be_shown
from conductor_app.cli.invocation import Invocation
from conductor_app.cli.project import project_of
from conductor_app.cli.tasks import task_of
from conductor_app.domain.budget_names import is_day
from conductor_app.errors import InvalidInput

if TYPE_CHECKING:
    from conductor_app.store.database import Transaction


def spoken(
    tx: "Transaction", invocation: Invocation, text: str, execution: str | None = None
) -> str:
    """The budget as the API takes it, with the id of what it is for. Raises NotFound, Ambiguous.

    An execution may have ended: its budget can be shown, and the API says why it can't be changed.
    """
    from conductor_app.engine import projects
    from conductor_app.store import tasks

    kind, _, subject = text.partition(":")
    if kind == "execution":
        return f"execution:{to_be_shown(tx, invocation, subject or execution).id}"
    if kind == "task" and tasks.get(tx, subject.upper()) is not None:
        # As messages name it: so it is found from wherever they are read.
        return f"task:{subject.upper()}"
    if kind == "task" and subject:
        chosen = to_be_shown(tx, invocation, execution)
        return f"task:{task_of(tx, chosen.id, subject).id}"
    if kind == "project":
        name, _, day = subject.rpartition(":") if is_day(subject[-10:]) else (subject, "", "")
        if not name:
            id_ = project_id(tx, invocation, required=True)
        else:
            id_ = str(projects.find(tx, name).id)
        return f"project:{id_}:{day}" if day else f"project:{id_}"
    return text


def project_id(tx: "Transaction", invocation: Invocation, *, required: bool = False) -> str | None:
    """The project of the option or of this directory; without any None, or InvalidInput."""
    project = project_of(tx, invocation.project, Path.cwd())
    if project is None and required:
        raise InvalidInput(
            "Which project? Name it: `project:NAME`, or go to its directory, or give --project."
        )
    return project.id if project else None


def day(text: str | None) -> str | None:
    """A day that was given; raises InvalidInput."""
    if text is not None and not is_day(text):
        raise InvalidInput(f"`{text}` is not a day. Write it as YYYY-MM-DD: 2027-01-15.")
    return text
