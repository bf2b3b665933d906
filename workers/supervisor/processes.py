"""The processes that descend from this one: found, measured, and killed to the last."""

import ctypes
import math
import os
import resource
import signal
import time

PR_SET_CHILD_SUBREAPER = 36
RESISTANCE_SECONDS = 10.0
PAGE = resource.getpagesize()


def adopt_orphans() -> None:
    """Whatever the command's processes leave behind becomes a child of this process."""
    if not os.path.exists(f"/proc/self/task/{os.getpid()}/children"):
        raise OSError("this kernel does not tell a process's children (CONFIG_PROC_CHILDREN)")
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def descendants(enough: float = math.inf) -> list[int]:
    """Their process ids; no more are looked for once there are `enough`."""
    found: list[int] = []
    waiting = [os.getpid()]
    while waiting and len(found) < enough:
        children = _children(waiting.pop())
        found += children
        waiting += children
    return found


def resident(pid: int) -> int:
    """Bytes of memory that the process occupies alone; 0 when it has ended."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            _, pages, shared, *_ = map(int, file.read().split())
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return (pages - shared) * PAGE


def send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return  # ended already; or another user's, which kill_to_the_last reports


def kill_all(group: int) -> None:
    """Kill the group in one call, which no fork can outrun, then whoever has left it.

    Those are stopped first, so that none starts another while the others die.
    """
    send(-group, signal.SIGKILL)
    _kill_each(descendants())


def _kill_each(pids: list[int]) -> None:
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            send(pid, number)


def kill_to_the_last() -> None:
    """Returns when no descendant exists any more; only once the direct child has been reaped.

    Raises TimeoutError for one that resists; only unconfined commands can start such (sudo).
    """
    deadline = time.monotonic() + RESISTANCE_SECONDS
    while _reap():
        _kill_each(descendants())
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes {descendants()} could not be killed")
        time.sleep(0.001)


def _reap() -> bool:
    """Bury the dead; whether any child still lives."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _children(pid: int) -> list[int]:
    children: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                children += map(int, file.read().split())
    except (FileNotFoundError, ProcessLookupError):
        pass  # it has ended meanwhile; its children are now this process's and found there
    return children
