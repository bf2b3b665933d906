"""Named points where a fault test can kill this process as `kill -9` would; inert in production."""

import os
import signal

CRASH_AT = "CONDUCTOR_CRASH_AT"
CRASH_ONCE = "CONDUCTOR_CRASH_ONCE"
CRASH_SIGNAL = "CONDUCTOR_CRASH_SIGNAL"


def point(name: str) -> None:
    """Kill this process when CONDUCTOR_CRASH_AT names this point.

    CONDUCTOR_CRASH_ONCE may name a file: only the process that creates it is killed, so that the
    one that takes over gets past the same point. CONDUCTOR_CRASH_SIGNAL=SIGSTOP freezes it instead.
    """
    if os.environ.get(CRASH_AT) != name:
        return
    flag = os.environ.get(CRASH_ONCE)
    if flag and not _first(flag):
        return
    os.kill(os.getpid(), signal.Signals[os.environ.get(CRASH_SIGNAL, "SIGKILL")])


def _first(flag: str) -> bool:
    try:
        os.close(os.open(flag, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    return True
