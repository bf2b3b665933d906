"""Waits until a started stack answers as ready, or says which program keeps it from that."""

import http.client
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from conductor_app.stack.embedded import RunningStack
from conductor_app.stack.ports import PortLost, listens
from conductor_app.stack.supervision import StackProblem
from conductor_app.stack.supervisor_client import ProgramState

READY_PATH = "/api/v1/health/ready"
READY_SECONDS = 60.0
POLL_SECONDS = 0.05
# A program that ends this often right after its start has something wrong with it.
ENDS_ALLOWED = 2
LOG_LINES_SHOWN = 12

Progress = Callable[[dict[str, ProgramState]], None]


def wait_until_ready(
    stack: RunningStack, progress: Progress = lambda _: None, seconds: float = READY_SECONDS
) -> None:
    """Return once every program runs and the API is ready. Raises StackProblem, PortLost."""
    deadline = time.monotonic() + seconds
    ends: dict[str, set[int]] = defaultdict(set)
    while True:
        ready = is_ready(stack)
        # Read afterwards: the program that answered has its process by now.
        states = stack.supervisor().states()
        progress(states)
        # Two installations that start at once choose the same port, and both hear who got it.
        if ready and not listens(states["api"].pid, stack.port):
            raise PortLost
        if ready and all(state.runs for state in states.values()):
            return
        for state in states.values():
            if state.problem and not state.stopped:
                raise StackProblem(f"`{state.name}` can't be started: {state.problem}.")
            # Seen by their times: a program that ends may run again before we look.
            ends[state.name] |= {state.stopped} - {0}
            if len(ends[state.name]) > ENDS_ALLOWED:
                raise StackProblem(_ends_again_and_again(stack, state))
        if time.monotonic() > deadline:
            raise StackProblem(_not_ready(stack, states, seconds))
        time.sleep(POLL_SECONDS)


def in_words(states: dict[str, ProgramState]) -> str:
    return ", ".join(f"{state.name} {state.state.lower()}" for state in states.values())


def is_ready(stack: RunningStack) -> bool:
    connection = http.client.HTTPConnection(stack.reachable_host, stack.port, timeout=5)
    try:
        connection.request("GET", READY_PATH)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False  # Not listening yet.
    finally:
        connection.close()


def _ends_again_and_again(stack: RunningStack, state: ProgramState) -> str:
    log = stack.logs / f"{state.name}.log"
    return (
        f"`{state.name}` ends again and again right after its start. The end of its log ({log}):\n"
        f"{tail(log)}\nMend what it says, or run `conductor doctor`, and try again."
    )


def _not_ready(stack: RunningStack, states: dict[str, ProgramState], seconds: float) -> str:
    log = stack.logs / "api.log"
    return (
        f"The API was not ready within {seconds:g} s ({in_words(states)}). "
        f"The end of its log ({log}):\n"
        f"{tail(log)}"
    )


def tail(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return "  (it wrote nothing)"
    return "\n".join(f"  {line}" for line in lines[-LOG_LINES_SHOWN:]) or "  (it wrote nothing)"
