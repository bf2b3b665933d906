"""Turns the errors of libraries into sentences, without importing any library for it."""

import errno
import sys

from conductor_app.errors import ConductorError, EnvironmentProblem, Unreachable

# Module and class of what a library raises when its server does not answer; what the server is.
SILENT_SERVERS = (
    ("sqlalchemy.exc", "OperationalError", "The database"),
    ("redis.exceptions", "ConnectionError", "Redis"),
    ("kombu.exceptions", "OperationalError", "The broker"),
)


class Unexpected(ConductorError):
    """Conductor met an error that it did not expect."""

    code = "unexpected"


def as_conductor_error(error: Exception) -> ConductorError:
    """The error itself if it is ours, else one that says the same in a sentence with a way out."""
    if isinstance(error, ConductorError):
        return error
    for module, name, server in SILENT_SERVERS:
        # A library that was never imported has raised nothing.
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(error, kind):
            return Unreachable(
                f"{server} can't be used: {_first_line(error)}. "
                "`conductor doctor` checks what is configured."
            )
    if type(error) is getattr(sys.modules.get("sqlalchemy.exc"), "DatabaseError", None):
        # This very class, none below it, is what a file that is no sound SQLite database raises.
        return EnvironmentProblem(
            f"The database is damaged: {_first_line(error)}. Move its file away and put a backup "
            "there (`conductor db backup` makes them), or start anew without it."
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return EnvironmentProblem(f"The disk is full ({error}). Make room, then try again.")
    if isinstance(error, PermissionError):
        return ConductorError(
            f"{error.filename} can't be used: {error.strerror}. Give yourself permission to it."
        )
    return Unexpected(
        f"Conductor met an error that it did not expect: {type(error).__name__}: "
        f"{_first_line(error)}. Run the command again with --debug to see where, and report it."
    )


def _first_line(error: Exception) -> str:
    # SQLAlchemy wraps the driver's words, which say more, in a longer story.
    text = str(getattr(error, "orig", None) or error).strip()
    return (text.splitlines() or ["no reason given"])[0].rstrip(".")
