"""Loopback ports for services: one that is free, and who listens on it."""

import fcntl
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

HOST = "127.0.0.1"
CONNECT_SECONDS = 2.0


@contextmanager
def reserved(locks: Path) -> Iterator[int]:
    """A free port, kept from other judgings on this machine by a locked file in `locks`.

    Programs that don't know of the lock may still take it; `belongs_to` tells.
    """
    locks.mkdir(parents=True, exist_ok=True)
    while True:
        port = free()
        path = locks / str(port)
        with path.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            try:
                yield port
            finally:
                path.unlink(missing_ok=True)
            return


def free() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def listened_to(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(CONNECT_SECONDS)
        return probe.connect_ex((HOST, port)) == 0


def belongs_to(port: int, pid: int) -> bool:
    """Whether the process or one that it started listens on the port; True if that can't be seen.

    A sandbox may give a program that asks for a taken port another one, without telling it.
    """
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        return any(_listens(member, port) for member in family)
    except psutil.AccessDenied:
        return True
    except psutil.NoSuchProcess:
        return False


def _listens(process: psutil.Process, port: int) -> bool:
    try:
        connections = process.net_connections("tcp")
    except psutil.NoSuchProcess:
        return False
    return any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in connections)
