"""Checks in a line each, for those who are judged by them."""

from conductor_app.domain.workflow import (
    Check,
    CommandCheck,
    FileCheck,
    HttpCheck,
    LoadCheck,
    PythonCheck,
    RubricCheck,
    SqlCheck,
)
from workers.command_line import shown


def described(check: Check) -> str:
    """`The check succeeds: ` with what it does, such as "`pytest -q` ends with exit code 0"."""
    return f"{check.name}: {_what(check)}{' (where that can be had)' if check.optional else ''}"


def _what(check: Check) -> str:
    match check:
        case CommandCheck():
            says = "".join(f", its output has {text!r}" for text in check.output_contains)
            return f"`{shown(check.run)}` ends with exit code {check.exit_code}{says}"
        case FileCheck() if check.absent:
            return f"there is no {check.path}"
        case FileCheck():
            has = "".join(f", with something that matches /{each}/" for each in check.contains)
            return f"{check.path} is there{has}"
        case HttpCheck():
            asked = ", ".join(f"{each.method} {each.path}" for each in check.requests)
            return f"the service answers {asked} as it should"
        case SqlCheck():
            return f"`{check.query}` finds what it should"
        case PythonCheck():
            return f"the function {check.function} says so"
        case LoadCheck():
            return (
                f"{check.users} users at once of {check.path}, 95 % answered in "
                f"{check.max_p95_ms:g} ms"
            )
        case RubricCheck():
            return f"the agent {check.agent} reviews it: {' '.join(check.criteria)}"
