"""Finds and ends processes whose supervisor was killed, so that nothing works on unseen."""

import os
from pathlib import Path

import psutil

# Every process under a supervisor carries this variable; its value is the data directory.
MARKER = "CONDUCTOR_STACK"
GRACE_SECONDS = 10.0


def end_leftovers(home: Path) -> int:
    """End every process that a dead supervisor of this home left behind; how many there were."""
    left = [process for process in psutil.process_iter() if _belongs(process, home)]
    for process in left:
        _signal(process, kill=False)
    _, stubborn = psutil.wait_procs(left, timeout=GRACE_SECONDS)
    for process in stubborn:
        _signal(process, kill=True)
    psutil.wait_procs(stubborn, timeout=GRACE_SECONDS)
    return len(left)


def _belongs(process: psutil.Process, home: Path) -> bool:
    try:
        mine = process.uids().real == os.getuid() and process.pid != os.getpid()
        return mine and process.environ().get(MARKER) == str(home)
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return False


def _signal(process: psutil.Process, *, kill: bool) -> None:
    try:
        process.kill() if kill else process.terminate()
    except psutil.NoSuchProcess:
        return  # It ended by itself meanwhile.
