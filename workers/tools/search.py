"""The tool search: a regular expression over the worktree's text files."""

import json
import sys
from pathlib import Path
from typing import Any

from workers.sandbox import Limits
from workers.tools.beneath import spot
from workers.tools.workplace import Answer, ToolFault, Workplace

SECONDS = 10.0
_PROGRAM = Path(__file__).with_name("search_program.py")


def search(arguments: dict[str, Any], place: Workplace) -> Answer:
    with spot(place.root, arguments.get("path", ".")) as start:
        path = start.path
    wanted = {"pattern": arguments["pattern"], "path": path, "glob": arguments.get("glob", "")}
    result = place.sandbox.run(
        (sys.executable, "-I", "-c", _PROGRAM.read_text(), json.dumps(wanted)),
        cwd=place.root,
        limits=Limits(seconds=max(0.1, min(SECONDS, place.seconds_left()))),
        cancelled=place.cancelled,
    )
    if result.timed_out:
        raise ToolFault("The search took too long; use a simpler pattern or a smaller directory.")
    if result.exit_code is None:
        raise ToolFault(f"The search was stopped by {result.killed_by}.")
    return Answer(result.output.rstrip("\n"), ok=result.exit_code == 0)
