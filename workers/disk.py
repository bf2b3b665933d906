"""When the disk is full: nothing gets better by trying again, and no agent is to blame."""

import errno

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def is_full(problem: BaseException) -> bool:
    """Whether this error, or the one it came from, says that there is no room left."""
    cause: BaseException | None = problem
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in FULL:
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def sentence(problem: BaseException) -> str:
    return f"The disk is full ({problem}). Make room, then `conductor start`."
