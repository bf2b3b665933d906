"""One command from its start to the death of the last process that it left.

Standard input is the order (one line of JSON) and then a lifeline: when the worker closes it, or
dies, the command is ended. The outcome is one line of JSON on the first file descriptor given; the
other two are pipes that may become the command's standard error and input.
"""

import contextlib
import json
import os
import resource
import select
import signal
import sys
import time
from typing import Any

from workers.supervisor import processes
from workers.supervisor.launch import Child, launch, prepare

WATCH_SECONDS = 0.1
# The worker, whose heartbeats hold the lease, and this process go before the command, as `nice` has
# it: one that starts processes without end could else not be ended either.
NICENESS = 10


def main() -> None:
    status, errors, input = map(int, sys.argv[1:4])
    for descriptor in (status, errors, input):
        os.set_inheritable(descriptor, False)
    prepare(*sys.argv[4:])
    order = json.loads(_read_line(0))
    try:
        outcome = Supervision(order, _lifeline(order, errors, input)).run()
    except Exception as error:
        outcome = {"error": f"{type(error).__name__}: {error}"}
    finally:
        _remove(order["private"])
    os.write(status, json.dumps(outcome).encode())


class Supervision:
    """Holds one command to its deadline and limits."""

    def __init__(self, order: dict[str, Any], lifeline: int) -> None:
        self._order = order
        self._lifeline = lifeline
        self._limits = order["limits"]
        self._killed_by: str | None = None
        self._kill_at: float | None = None
        self._child: Child

    def run(self) -> dict[str, Any]:
        """The command's exit code, minus the signal's number when one ended it; who killed it."""
        processes.adopt_orphans()
        _restore_signals()
        self._limit_resources()
        os.mkdir(self._order["private"], 0o700)
        os.chdir(self._order["cwd"])
        self._child = launch(self._order)
        with contextlib.suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PGRP, self._child.pid, os.nice(0) + NICENESS)
        try:
            self._watch_until_end()
        finally:
            # Before it is waited for: until then nobody else can get the number of its group.
            processes.kill_all(self._child.pid)
            code = self._child.wait()
            processes.kill_to_the_last()
        return {"code": code, "killed_by": self._killed_by}

    def _limit_resources(self) -> None:
        megabyte = 1 << 20
        for kind, value in (
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_FSIZE, self._limits["file_mb"] * megabyte),
            # Not the address space: Go, Java and Node reserve far more than they use.
            (resource.RLIMIT_DATA, self._limits["memory_mb"] * megabyte),
        ):
            resource.setrlimit(kind, (value, value))

    def _watch_until_end(self) -> None:
        """Returns when the command's own process has ended, killed or not."""
        seconds = self._order["seconds"]
        deadline = time.monotonic() + seconds if seconds is not None else None
        ended = os.pidfd_open(self._child.pid)
        poll = select.poll()
        poll.register(ended, select.POLLIN)
        poll.register(self._lifeline, select.POLLIN)
        while True:
            ready = dict(poll.poll(self._pause(deadline) * 1000))
            if ended in ready:
                return
            if self._lifeline in ready:
                poll.unregister(self._lifeline)
                self._end("cancelled")
            self._enforce(deadline)

    def _pause(self, deadline: float | None) -> float:
        """Seconds until something has to be looked at again."""
        moments = [m for m in (deadline, self._kill_at) if m is not None]
        return max(0.0, min([WATCH_SECONDS, *(m - time.monotonic() for m in moments)]))

    def _enforce(self, deadline: float | None) -> None:
        now = time.monotonic()
        if self._kill_at is not None:
            if now >= self._kill_at:
                self._kill_at = now + WATCH_SECONDS
                processes.kill_all(self._child.pid)
        elif deadline is not None and now >= deadline:
            self._end("deadline")
        elif excess := self._excess():
            self._killed_by = excess
            self._kill_at = now + WATCH_SECONDS
            processes.kill_all(self._child.pid)

    def _end(self, why: str) -> None:
        """Ask every process to end; after the grace period they are killed."""
        if self._killed_by is not None:
            return
        self._killed_by = why
        self._kill_at = time.monotonic() + self._order["grace"]
        for pid in processes.descendants():
            if not (pid == self._child.pid and self._child.is_guard):
                processes.send(pid, signal.SIGTERM)

    def _excess(self) -> str | None:
        """The limit that all processes together have passed."""
        most = self._limits["processes"] + self._child.overhead
        pids = processes.descendants(enough=most + 1)
        if len(pids) > most:
            return "processes"
        if sum(map(processes.resident, pids)) > self._limits["memory_mb"] << 20:
            return "memory"
        return None


def _lifeline(order: dict[str, Any], errors: int, input: int) -> int:
    """Where the lifeline is from now on: the pipes that the order wants take their places."""
    lifeline = os.dup(0)
    os.dup2(input if order["talks"] else os.open(os.devnull, os.O_RDONLY), 0)
    if order["separate"]:
        os.dup2(errors, 2)
    os.close(errors)
    os.close(input)
    return lifeline


def _restore_signals() -> None:
    """Python ignores these, and what it starts would too: `yes | head` must end without a word."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)


def _read_line(descriptor: int) -> bytes:
    line = bytearray()
    while not line.endswith(b"\n"):
        data = os.read(descriptor, 65536)
        if not data:
            sys.exit(0)  # the worker has no use for this process any more
        line += data
    return bytes(line)


def _remove(directory: str) -> None:
    import shutil  # only now: loading it earlier would delay every command's start

    shutil.rmtree(directory, ignore_errors=True)
