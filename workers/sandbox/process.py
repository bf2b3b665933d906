"""A supervisor process seen from the worker: started, heard, told to stop, its outcome read."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from workers.sandbox.model import Order, SandboxFailed

SOURCE = str(Path(__file__).parents[2])
# Not `-m`, and without site: a command should not wait for modules that its supervisor never uses.
START = "from workers.supervisor.supervision import main; main()"


@dataclass(frozen=True)
class Outcome:
    """The command's exit code (minus the signal's number when one ended it), and who killed it."""

    code: int
    killed_by: str | None


class Supervised:
    """One supervisor and its command. `output` is the read end of the command's output.

    The supervisor ends the command and all that it started when this object's `stop` is called,
    when its deadline passes, or when this process dies, however it dies.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        status, status_end = os.pipe()
        self._status = os.fdopen(status, "rb")
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-s", "-S", "-c", START, str(status_end)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                env={"PYTHONPATH": SOURCE},
                pass_fds=(status_end,),
                start_new_session=True,
            )
        except BaseException:
            self._status.close()
            raise
        finally:
            os.close(status_end)
        assert self._process.stdin and self._process.stdout
        self._lifeline = self._process.stdin
        self.output = self._process.stdout
        self._give(order)

    @property
    def pid(self) -> int:
        """The supervisor's process id, which is also that of its session."""
        return self._process.pid

    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """Ask the command to end; it is killed after the grace period. Returns at once."""
        self._lifeline.close()

    def outcome(self) -> Outcome:
        """Wait for the end and say how it came. Raises SandboxFailed when there was no start."""
        with self._status:
            report = self._status.read()
        self._process.wait()
        if not report:
            raise SandboxFailed(
                f"The process that confines `{self._order.argv[0]}` died (exit code "
                f"{self._process.returncode}). The machine may be out of memory; try again."
            )
        found: dict[str, Any] = json.loads(report)
        if "error" in found:
            raise SandboxFailed(
                f"`{self._order.argv[0]}` could not be started at level {self._order.level}: "
                f"{found['error']}. `conductor doctor` shows what this machine allows."
            )
        return Outcome(found["code"], found["killed_by"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._process.wait()
        self.output.close()
        self._status.close()

    def _give(self, order: Order) -> None:
        try:
            self._lifeline.write(json.dumps(order.as_dict()).encode() + b"\n")
        except BrokenPipeError:
            return  # it died at once: outcome() says so
