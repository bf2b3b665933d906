"""The tool run_command: a shell command in the worktree, confined, within the time that is left."""

from typing import Any

from conductor_app.printable import sound
from workers.sandbox import CommandResult, Limits
from workers.tools.workplace import Answer, ToolFault, Workplace

DEFAULT_SECONDS = 120.0
# In bytes; Linux takes no longer word than 128 KiB.
LONGEST = 100_000
# Commands leave nothing behind that the task did not ask for, and never wait for a person.
ENVIRONMENT = {"PYTHONDONTWRITEBYTECODE": "1", "PAGER": "cat"}
_ENDINGS = {
    "cancelled": "Stopped: the task was cancelled.",
    "memory": "Stopped: it used more memory than a command may.",
    "processes": "Stopped: it started more processes than a command may.",
}


def run_command(arguments: dict[str, Any], place: Workplace) -> Answer:
    seconds = min(float(arguments.get("timeout", DEFAULT_SECONDS)), place.seconds_left())
    if seconds <= 0:
        raise ToolFault("No time is left for commands.")
    if sound(arguments["command"]) != arguments["command"]:
        raise ToolFault("The command holds NUL or half a surrogate pair, which no command can.")
    if len(arguments["command"].encode()) > LONGEST:
        raise ToolFault(f"The command is longer than {LONGEST:,} bytes. Write files by write_file.")
    prepared = place.environment
    result = place.sandbox.run(
        ("/bin/sh", "-c", arguments["command"]),
        cwd=place.root,
        limits=Limits(seconds=seconds),
        env={**ENVIRONMENT, **(prepared.variables(place.sandbox.path) if prepared else {})},
        readable=[prepared.path] if prepared else [],
        cancelled=place.cancelled,
        hosts=place.hosts,
    )
    if result.exit_code is not None:
        return Answer(result.output, ok=result.exit_code == 0, exit_code=result.exit_code)
    return Answer(f"{_ending(result)}\n{result.output}", ok=False)


def _ending(result: CommandResult) -> str:
    if result.timed_out:
        return f"Stopped: not done after {result.duration:.1f} s."
    reason = result.killed_by or "unknown"
    after = f" After {result.duration:.2f} s."
    return _ENDINGS.get(reason, f"Killed by {reason}.") + after
