"""Supervisor processes: one always stands by, so that a command does not wait for one to start."""

import atexit
import contextlib
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

import psutil

from workers.sandbox.model import Level
from workers.sandbox.orders import tool

SOURCE = str(Path(__file__).parents[2])
# Not `-m`, and without site: a command should not wait for modules that its supervisor never uses.
BARE_PYTHON = (sys.executable, "-P", "-s", "-S")
START = "from workers.supervisor.supervision import main; main()"


@dataclass(frozen=True)
class Supervisor:
    """A supervisor process with its pipes; it ends when the lifeline is closed.

    `errors` and `input` are used by orders that ask for them.
    """

    process: subprocess.Popen[bytes]
    lifeline: IO[bytes]
    output: IO[bytes]
    errors: IO[bytes]
    input: IO[bytes]
    status: IO[bytes]

    def close(self) -> None:
        """End it and whatever it supervises; returns when all of it is gone."""
        self.lifeline.close()
        if self.process.wait() != 0:
            _kill_session(self.process.pid)
        for pipe in (self.input, self.output, self.errors, self.status):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


class Standby:
    """Hands out supervisors of one level, each started before it was asked for."""

    def __init__(self, level: Level) -> None:
        self._level = level
        self._lock = threading.Lock()
        self._spare: Supervisor | None = None
        self._owner = os.getpid()
        atexit.register(self._dismiss)

    def take(self) -> Supervisor:
        with self._lock:
            spare, self._spare = self._spare, None
            mine = self._owner == os.getpid()
            if spare is None or not mine or spare.process.poll() is not None:
                spare = _start(self._level)
            if mine:
                self._spare = _start(self._level)
            return spare

    def _dismiss(self) -> None:
        if self._spare is not None and self._owner == os.getpid():
            self._spare.close()


def _kill_session(leader: int) -> None:
    """What a supervisor could not end because it was killed itself."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getsid(process.pid) == leader:
                process.kill()


@cache
def standby(level: Level) -> Standby:
    return Standby(level)


def _start(level: Level) -> Supervisor:
    status, status_end = os.pipe()
    errors, errors_end = os.pipe()
    input_end, input = os.pipe()
    theirs = (status_end, errors_end, input_end)
    try:
        process = subprocess.Popen(
            [*BARE_PYTHON, "-c", START, *map(str, theirs), level, tool(level)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            env={"PYTHONPATH": SOURCE},
            pass_fds=theirs,
            start_new_session=True,
        )
    except BaseException:
        for descriptor in (status, errors, input):
            os.close(descriptor)
        raise
    finally:
        for descriptor in theirs:
            os.close(descriptor)
    assert process.stdin and process.stdout
    return Supervisor(
        process,
        lifeline=process.stdin,
        output=process.stdout,
        errors=os.fdopen(errors, "rb", buffering=0),
        input=os.fdopen(input, "wb", buffering=0),
        status=os.fdopen(status, "rb"),
    )
