"""One command under its supervisor: given as an order, heard, told to stop, its outcome read."""

import json
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, Self

from workers.sandbox.model import Order, SandboxFailed
from workers.sandbox.standby import standby


@dataclass(frozen=True)
class Outcome:
    """The command's exit code (minus the signal's number when one ended it), and who killed it."""

    code: int
    killed_by: str | None


class Supervised:
    """A command that is running, or was.

    Its supervisor ends it, and all that it started, when `stop` is called, when its deadline
    passes, or when this process dies, however it dies.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self._supervisor = standby(order.level).take()
        self._give(order)

    @property
    def pid(self) -> int:
        """The supervisor's process id, which is also that of its session."""
        return self._supervisor.process.pid

    @property
    def output(self) -> IO[bytes]:
        return self._supervisor.output

    @property
    def errors(self) -> IO[bytes]:
        """Standard error, where the order wants it separate."""
        return self._supervisor.errors

    @property
    def input(self) -> IO[bytes]:
        """Standard input, where the order says that the worker talks."""
        return self._supervisor.input

    def alive(self) -> bool:
        return self._supervisor.process.poll() is None

    def stop(self) -> None:
        """Ask the command to end; it is killed after the grace period. Returns at once."""
        self._supervisor.lifeline.close()

    def outcome(self) -> Outcome:
        """Wait for the end and say how it came. Raises SandboxFailed when there was no start."""
        report = self._supervisor.status.read()
        exit_code = self._supervisor.process.wait()
        if not report:
            raise SandboxFailed(
                f"The process that confines `{self._order.argv[0]}` died (exit code {exit_code}). "
                "The machine may be out of memory; try again."
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
        self._supervisor.close()

    def _give(self, order: Order) -> None:
        try:
            self._supervisor.lifeline.write(json.dumps(order.as_dict()).encode() + b"\n")
        except BrokenPipeError:
            return  # it died at once: outcome() says so
