"""The tool search: a regular expression over the worktree's text files."""

import json
import sys
from pathlib import Path
from typing import Any

from conductor_app import masking
from workers.sandbox import Limits
from workers.tools.beneath import spot
from workers.tools.search_program import MAX_LINE
from workers.tools.workplace import Answer, ToolFault, Workplace

SECONDS = 10.0
_PROGRAM = Path(__file__).with_name("search_program.py")


def search(arguments: dict[str, Any], place: Workplace) -> Answer:
    with spot(place.root, arguments.get("path", ".")) as start:
        path = start.path
    wanted = {
        "pattern": arguments["pattern"],
        "path": path,
        "glob": arguments.get("glob", ""),
        "secret": masking.PRIVATE_KEY,
        "mask": masking.MASK,
        "spare": masking.LONGEST,
    }
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
    output = "\n".join(_cut(line) for line in result.output.rstrip("\n").split("\n"))
    return Answer(output, ok=result.exit_code == 0)


def _cut(line: str) -> str:
    """As short as it should be, masked before: of half a secret nobody knows that it is one.

    The program may have cut a secret as well, so its spare characters go from the masked end.
    """
    place, colon, text = line.partition(": ")
    masked = masking.data(text)
    return place + colon + masked[: max(0, len(masked) - max(0, len(text) - MAX_LINE))]
