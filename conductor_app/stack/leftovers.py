"""Finds and ends processes whose supervisor was killed, so that nothing works on unseen."""

import os
import time
from pathlib import Path

import psutil

from conductor_app.places import redis_socket

# Every process under a supervisor carries this variable; its value is the data directory.
MARKER = "CONDUCTOR_STACK"
GRACE_SECONDS = 10.0
POLL_SECONDS = 0.02


def end_leftovers(home: Path) -> int:
    """End every process that a dead supervisor of this home left behind; how many there were."""
    left = [process for process in psutil.process_iter() if _belongs(process, home)]
    for process in left:
        _signal(process, kill=False)
    for process in _wait_for(left):
        _signal(process, kill=True)
    _wait_for(left)
    return len(left)


def _wait_for(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Wait for the processes to end; those that did not in time."""
    deadline = time.monotonic() + GRACE_SECONDS
    while alive := [process for process in processes if _lives(process)]:
        if time.monotonic() > deadline:
            break
        time.sleep(POLL_SECONDS)
    return alive


def _lives(process: psutil.Process) -> bool:
    try:
        # Not every container has an init that collects the dead at once.
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _belongs(process: psutil.Process, home: Path) -> bool:
    try:
        mine = process.uids().real == os.getuid() and process.pid != os.getpid()
        return mine and (process.environ().get(MARKER) == str(home) or _is_redis(process, home))
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return False


def _is_redis(process: psutil.Process, home: Path) -> bool:
    """Redis writes its title over its environment; the title names the socket."""
    return any(word.endswith(f":{redis_socket(home)}") for word in process.cmdline())


def _signal(process: psutil.Process, *, kill: bool) -> None:
    try:
        process.kill() if kill else process.terminate()
    except psutil.NoSuchProcess:
        return  # It ended by itself meanwhile.
