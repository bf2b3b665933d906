"""A trial of a level on this machine: it must run a command, and deny what it promises."""

import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from workers.sandbox.model import CommandResult, SandboxFailed

PROBE = """
import os, socket, sys
outside, port = sys.argv[1], int(sys.argv[2])
def attempt(word, action):
    try:
        action()
    except OSError:
        return
    print(word)
attempt("write-inside", lambda: open("inside", "w").write("x"))
attempt("read-outside", lambda: open(os.path.join(outside, "secret")).read())
attempt("write-outside", lambda: open(os.path.join(outside, "new"), "w").write("x"))
attempt("network", lambda: socket.create_connection(("127.0.0.1", port), timeout=5))
"""
Run = Callable[[list[str], Path], CommandResult]


def problem(run: Run) -> str | None:
    """What speaks against the level on this machine; None when it keeps its promises."""
    with tempfile.TemporaryDirectory(prefix="conductor-trial-") as directory:
        inside, outside = Path(directory, "inside"), Path(directory, "outside")
        inside.mkdir()
        outside.mkdir()
        (outside / "secret").write_text("secret")
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = str(server.getsockname()[1])
            argv = [sys.executable, "-I", "-S", "-c", PROBE, str(outside), port]
            try:
                result = run(argv, inside)
            except SandboxFailed as failure:
                return failure.message
    return _judge(result)


def _judge(result: CommandResult) -> str | None:
    if result.exit_code != 0:
        last = result.output.strip().splitlines()[-1:] or ["no output"]
        return f"a trial command ended with {result.exit_code or result.killed_by}: {last[0]}"
    possible = set(result.output.split())
    if "write-inside" not in possible:
        return "a trial command could not write its own directory"
    if broken := possible - {"write-inside"}:
        return f"it did not deny: {', '.join(sorted(broken))}"
    return None
