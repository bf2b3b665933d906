"""Hooks of a phase's start and end: registered functions whose result an event records."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from conductor_app.errors import ConductorError
from workers.extensions import Extensions

SHORT_HASH = 7


class HookFailed(ConductorError):
    """A hook returned something that can't be recorded."""

    code = "hook_failed"


@dataclass(frozen=True)
class HookContext:
    """What a hook may know; `commit` is the execution branch's tip, None without a repository."""

    execution_id: str
    phase: int
    commit: str | None
    log: Callable[[str], None]


Hook = Callable[[HookContext], Mapping[str, Any]]


def capture_commit_hash(context: HookContext) -> dict[str, Any]:
    """Which commit the phase starts from."""
    return _captured("start", context)


def capture_final_commit(context: HookContext) -> dict[str, Any]:
    """Which commit the phase ends with."""
    return _captured("end", context)


def _captured(moment: str, context: HookContext) -> dict[str, Any]:
    short = context.commit[:SHORT_HASH] if context.commit else None
    context.log(f"Phase {context.phase} {moment}s at commit {short or 'none: no repository'}")
    return {"moment": moment, "hash": context.commit, "short_hash": short}


BUILT_IN: Mapping[str, Hook] = {
    "git.capture_commit_hash": capture_commit_hash,
    "git.capture_final_commit": capture_final_commit,
}


def hooks() -> Extensions[Hook]:
    """The built-in hooks and those that installed packages register as `conductor.hooks`."""
    return Extensions("conductor.hooks", BUILT_IN)


def run_hook(name: str, context: HookContext, registered: Extensions[Hook]) -> dict[str, Any]:
    """The payload to record. Raises UnknownExtension, HookFailed, and what the hook raises."""
    payload = dict(registered.find(name)(context))
    try:
        json.dumps(payload, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise HookFailed(
            f"Hook {name!r} returned something that is not JSON: {error}. "
            "Return strings, numbers, booleans, lists and dictionaries only."
        ) from error
    return {"hook": name, "phase": context.phase, **payload}
