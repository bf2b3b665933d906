"""Checks of kind `command`: a command that ends with the right exit code and output."""

from typing import Any

from conductor_app import masking
from conductor_app.domain.workflow import Check, CommandCheck
from workers.bench import Bench
from workers.checks.result import Outcome
from workers.command_line import argv, shown
from workers.sandbox import CommandResult

LOG_TAIL = 4_000


def command(check: CommandCheck, bench: Bench) -> Outcome:
    result = bench.run(argv(check.run), check, env=check.env)
    found = problems(check, result)
    passed = f"`{shown(check.run)}` ended with exit code {result.exit_code}"
    return Outcome(
        not found, "; ".join(found) or passed, evidence(shown(check.run), result, check, bench)
    )


def problems(check: CommandCheck, result: CommandResult) -> list[str]:
    """What is wrong with the result, in words."""
    line = shown(check.run)
    if result.timed_out:
        return [f"`{line}` took longer than {check.timeout:g} s and was stopped"]
    found = []
    if result.exit_code != check.exit_code:
        found.append(f"`{line}` ended with {ending(result)}, not {check.exit_code}")
    found += [
        f"the output does not contain {text!r}"
        for text in check.output_contains
        if text not in result.output
    ]
    return found


def ending(result: CommandResult) -> str:
    """How a command that was not timed out ended."""
    if result.exit_code is None:
        return f"no exit code (killed: {result.killed_by or 'unknown'})"
    return f"exit code {result.exit_code}"


def evidence(line: str, result: CommandResult, check: Check, bench: Bench) -> dict[str, Any]:
    """What is kept of a command: its end, the tail of its log, and the path of the full log."""
    return {
        "command": line,
        "exit_code": result.exit_code,
        "timed_out": result.timed_out,
        "log": masking.tail(result.output, LOG_TAIL),
        "log_path": str(bench.write_log(check.name, result.output)),
        "sandbox": str(bench.sandbox.level),
    }
