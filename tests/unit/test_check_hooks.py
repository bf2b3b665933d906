"""Hooks of a phase: the built-in ones, and what a registered one may return."""

import pytest

from workers.extensions import UnknownExtension
from workers.hooks import HookContext, HookFailed, hooks, run_hook

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def context(commit: str | None, log: list[str]) -> HookContext:
    return HookContext(execution_id="e", phase=2, commit=commit, log=log.append)


@pytest.mark.parametrize(
    ("name", "moment"),
    [("git.capture_commit_hash", "start"), ("git.capture_final_commit", "end")],
)
def test_the_commit_is_captured(name: str, moment: str) -> None:
    log: list[str] = []
    assert run_hook(name, context(COMMIT, log), hooks()) == {
        "hook": name,
        "phase": 2,
        "moment": moment,
        "hash": COMMIT,
        "short_hash": "0123456",
    }
    assert log == [f"Phase 2 {moment}s at commit 0123456"]


def test_without_a_repository_there_is_no_commit() -> None:
    payload = run_hook("git.capture_commit_hash", context(None, []), hooks())
    assert (payload["hash"], payload["short_hash"]) == (None, None)


def test_a_registered_hook_is_called() -> None:
    registered = hooks()
    registered.register("acme.note", lambda context: {"phase_before": context.phase - 1})
    payload = run_hook("acme.note", context(None, []), registered)
    assert payload == {"hook": "acme.note", "phase": 2, "phase_before": 1}


def test_what_is_not_json_is_refused() -> None:
    registered = hooks()
    registered.register("acme.note", lambda context: {"at": object()})
    with pytest.raises(HookFailed, match="not JSON"):
        run_hook("acme.note", context(None, []), registered)


def test_an_unknown_hook_names_the_known_ones() -> None:
    with pytest.raises(UnknownExtension, match=r"git\.capture_commit_hash"):
        run_hook("acme.note", context(None, []), hooks())
