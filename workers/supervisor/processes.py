"""The processes that descend from this one: found, measured, and killed to the last."""

import ctypes
import os
import resource
import signal
import time

PR_SET_CHILD_SUBREAPER = 36
PAGE = resource.getpagesize()


def adopt_orphans() -> None:
    """Whatever the command's processes leave behind becomes a child of this process."""
    if not os.path.exists(f"/proc/self/task/{os.getpid()}/children"):
        raise OSError("this kernel does not tell a process's children (CONFIG_PROC_CHILDREN)")
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def descendants() -> list[int]:
    found: list[int] = []
    waiting = [os.getpid()]
    while waiting:
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
    except ProcessLookupError:
        return  # it ended before us: that is what we wanted


def kill(pids: list[int]) -> None:
    """All are stopped first, so that none starts another while the others die."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            send(pid, number)


def kill_to_the_last() -> None:
    """Returns when no descendant exists any more; only once the direct child has been reaped."""
    while pids := descendants():
        kill(pids)
        _reap()


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return
    time.sleep(0.001)


def _children(pid: int) -> list[int]:
    children: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                children += map(int, file.read().split())
    except (FileNotFoundError, ProcessLookupError):
        pass  # it has ended meanwhile; its children are now this process's and found there
    return children
