"""The sandbox as the worker uses it: run a command to its end, or start a service."""

import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Unpack

from conductor_app.errors import InvalidInput
from workers.sandbox import trial
from workers.sandbox.conversation import Conversation
from workers.sandbox.model import (
    CommandNotFound,
    CommandResult,
    Level,
    Limits,
    Order,
    SandboxUnavailable,
)
from workers.sandbox.orders import Access, order
from workers.sandbox.output import BoundedOutput
from workers.sandbox.process import Outcome, Supervised
from workers.sandbox.reading import Counter, Hearer, read_to_end
from workers.sandbox.service import RunningCommand
from workers.sandbox.surroundings import search_path

COMMAND_NOT_FOUND = 127
DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Sandbox:
    """Runs commands at one level of confinement; safe to use from many threads at once.

    A command may write its working directory, a private directory (its HOME and TMPDIR, removed
    afterwards) and what is declared `writable`. What each level enforces besides:

    - sandlock (Landlock and seccomp, in the kernel): every other file is unreadable except system
      programs, some of /etc, this interpreter and what is declared `readable`. No network, or one
      port to connect to on loopback and to listen on (on any interface), or all of it. No other
      process can be seen or signalled; no more processes than the limit. No /tmp, no /dev/shm.
    - bubblewrap (namespaces, in the kernel): the same files, an empty /tmp and /dev/shm, no other
      process. No network but a private loopback; but with `loopback_port` the machine's whole
      network is open, because a namespace can't let a single port through.
    - unconfined: files and network are those of the worker's user. Only the operator can allow it.

    At every level: a clean environment, a lower priority than the worker's (nice 10), limits on
    time, output, the size of a file (kernel), the data of one process (kernel), and, looked at ten
    times a second, the number of processes and their memory together. At its end, whatever the
    command left running is killed, also when it has detached itself, and also when this process is
    killed.
    """

    level: Level
    # Seconds between asking a command to end (TERM) and killing it.
    grace: float = 5.0

    @staticmethod
    def detect(setting: str = "auto") -> "Sandbox":
        """The sandbox of that level, or with `auto` the strongest that passes a trial run here.

        Raises SandboxUnavailable; `auto` never falls back to `unconfined`.
        """
        return _detect(setting)

    @property
    def path(self) -> str:
        """PATH as commands find it."""
        return search_path()

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        limits: Limits = DEFAULT_LIMITS,
        cancelled: Callable[[], bool] | None = None,
        heard: Hearer | None = None,
        counted: Counter | None = None,
        **access: Unpack[Access],
    ) -> CommandResult:
        """Run the command to its end and say what came of it; exit code 127 if it isn't there.

        `heard` is given every line of standard output as it comes, without those of standard error;
        a line longer than 8 MiB is cut. `counted` is told how many bytes have come of both. Raises
        SandboxFailed when the confinement itself could not be set up.
        """
        started = time.monotonic()
        output = BoundedOutput(limits.output_bytes)
        try:
            wanted = self._order(argv, cwd, limits, access)
        except CommandNotFound as missing:
            output.add(missing.message.encode())
            return _result(argv, Outcome(COMMAND_NOT_FOUND, None), output, 0.0)
        with Supervised(replace(wanted, separate=heard is not None)) as supervised:
            read_to_end(supervised, output, cancelled, heard, counted)
            outcome = supervised.outcome()
        return _result(argv, outcome, output, time.monotonic() - started)

    @contextmanager
    def converse(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        limits: Limits = DEFAULT_LIMITS,
        counted: Counter | None = None,
        **access: Unpack[Access],
    ) -> Iterator[Conversation]:
        """A command that is talked with, line by line, inside the block. Raises CommandNotFound.

        `counted` is told of its bytes, as in `run`, by several threads.
        """
        wanted = self._order(argv, cwd, limits, access)
        with Supervised(replace(wanted, separate=True, talks=True)) as supervised:
            conversation = Conversation(supervised, limits.output_bytes, counted)
            try:
                yield conversation
            finally:
                supervised.stop()
                conversation.finish()

    @contextmanager
    def start(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        log: Path,
        limits: Limits = DEFAULT_LIMITS,
        **access: Unpack[Access],
    ) -> Iterator[RunningCommand]:
        """A service that runs inside the block, without a deadline; its output goes to `log`.

        Raises CommandNotFound.
        """
        wanted = replace(self._order(argv, cwd, limits, access), seconds=None)
        with Supervised(wanted) as supervised:
            running = RunningCommand(supervised, log, limits.output_bytes)
            try:
                yield running
            finally:
                supervised.stop()
                running.finish()

    def _order(self, argv: Sequence[str], cwd: Path, limits: Limits, access: Access) -> Order:
        return replace(order(self.level, argv, cwd, limits, **access), grace=self.grace)


def _result(
    argv: Sequence[str], outcome: Outcome, output: BoundedOutput, duration: float
) -> CommandResult:
    killed_by = outcome.killed_by
    if killed_by is None and outcome.code < 0:
        killed_by = signal.Signals(-outcome.code).name
    return CommandResult(
        argv=tuple(argv),
        exit_code=outcome.code if killed_by is None else None,
        output=output.text(),
        duration=duration,
        timed_out=killed_by == "deadline",
        truncated=output.truncated,
        killed_by=killed_by,
    )


@cache
def _detect(setting: str) -> Sandbox:
    if sys.platform != "linux":
        raise SandboxUnavailable(
            "Commands are run on Linux only. Start the workers there, in a container or in WSL."
        )
    if setting == Level.UNCONFINED:
        return Sandbox(Level.UNCONFINED)
    problems = []
    for level in _candidates(setting):
        sandbox = Sandbox(level)
        problem = _problem(sandbox)
        if problem is None:
            return sandbox
        problems.append(f"{level}: {problem}.")
    raise SandboxUnavailable(
        f"Commands can't be confined on this machine. {' '.join(problems)} Use Linux 6.12 or newer "
        "(for sandlock) or install bubblewrap where user namespaces are allowed. On a machine "
        "where commands may do everything that you may do, set `sandbox: unconfined`."
    )


def _candidates(setting: str) -> list[Level]:
    if setting == "auto":
        return [Level.SANDLOCK, Level.BUBBLEWRAP]
    try:
        return [Level(setting)]
    except ValueError:
        raise InvalidInput(
            f"There is no sandbox level {setting!r}; use auto, {', '.join(Level)}."
        ) from None


def _problem(sandbox: Sandbox) -> str | None:
    try:
        return trial.problem(lambda argv, cwd: sandbox.run(argv, cwd=cwd))
    except SandboxUnavailable as missing:
        return missing.message
