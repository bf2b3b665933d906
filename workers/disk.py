"""When the disk is full: nothing gets better by trying again, and no agent is to blame."""

import errno
import os

from sqlalchemy.exc import DBAPIError

from conductor_app.domain.outcome import Interrupted
from conductor_app.store import database
from workers.git.errors import GitFailed

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
# What git hands on of its system's words; it runs in the C locale.
SAID = tuple(os.strerror(number) for number in sorted(FULL))


def is_full(problem: BaseException) -> bool:
    """Whether this error, or the one it came from, says that there is no room left."""
    cause: BaseException | None = problem
    while cause is not None:
        if _says_full(cause):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _says_full(problem: BaseException) -> bool:
    match problem:
        case OSError():
            return problem.errno in FULL
        case GitFailed():
            return any(words in problem.message for words in SAID)
        case DBAPIError():
            return database.is_full(problem)
        case _:
            return False


def interrupted(problem: BaseException, told: str) -> Interrupted:
    """How a job ends that met this; `told` is what to say of it unless the disk is full."""
    if is_full(problem):
        return Interrupted(f"The disk is full ({problem}); make room.", critical=True)
    return Interrupted(told)
