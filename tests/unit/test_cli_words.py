"""Events and statuses in the words that people read."""

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from conductor_app.cli.status_words import status_lines
from conductor_app.cli.times import clock, moment
from conductor_app.cli.words import ICONS, one_line, sentence_of
from conductor_app.domain.states import MilestoneState, PhaseState, TaskState, Verdict

# Document 000's example, whose times are local.
EXAMPLE = """\
🎭 Orchestrator Status
============================================================

Current Phase: 3 - Real-time Collaboration
Completed Phases: [0, 1, 2]
Active Agents: [agent-realtime, agent-test]

Milestones:
  ✅ WebSocket Server
  ✅ Presence Tracking
  🔄 Commenting System
  ⏳ Live Updates
  ⏳ Real-time Tests
  ⏳ Load Testing

Tasks:
  Completed: 47
  Active: 2
  Waiting: 4
  Failed: 0

Started: 9/30/2025, 8:00:00 AM
Last Updated: 9/30/2025, 12:34:56 PM
"""
STATUS: dict[str, Any] = {
    "currentPhase": {"number": 3, "name": "Real-time Collaboration", "progress": 0.4},
    "completedPhases": [0, 1, 2],
    "activeAgents": ["agent-realtime", "agent-test"],
    "milestones": [
        {"name": "WebSocket Server", "status": "completed"},
        {"name": "Presence Tracking", "status": "completed"},
        {"name": "Commenting System", "status": "validating"},
        {"name": "Live Updates", "status": "pending"},
        {"name": "Real-time Tests", "status": "pending"},
        {"name": "Load Testing", "status": "pending"},
    ],
    "completedTasks": 47,
    "activeTasks": 2,
    "waitingTasks": 4,
    "skippedTasks": 0,
    "cancelledTasks": 0,
    "failedTasks": 0,
    "startedAt": "2025-09-30T08:00:00.000Z",
    "lastUpdated": "2025-09-30T12:34:56.000Z",
    "executionId": "01K",
    "status": "running",
    "reason": None,
    "reasonDetail": None,
    "nextStep": None,
    "pendingDecisions": 0,
    "overallProgress": 0.675,
    "targetPhase": 5,
    "eta": "2025-09-30T14:00:00.000Z",
    "budget": {
        "tokens": {"cap": 250_000, "spent": 12_345, "reserved": 4_000, "remaining": 233_655},
        "usd": {"cap": None, "spent": "0.0123", "reserved": "0.00", "remaining": None},
    },
    "connector": "replay",
}


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_status_looks_as_in_document_000() -> None:
    lines = "\n".join(status_lines(STATUS))
    assert lines.startswith(EXAMPLE)


def test_status_says_what_a_person_does_next() -> None:
    step = "Phase 3 (Real-time Collaboration) has passed; `conductor advance` goes on."
    lines = [*status_lines({**STATUS, "nextStep": step, "eta": None})]
    assert f"Next: {step}" in lines
    assert not any("Next" in line for line in status_lines(STATUS))


def test_status_says_that_somebody_must_answer() -> None:
    one, two = ("\n".join(status_lines({**STATUS, "pendingDecisions": n})) for n in (1, 2))
    assert "\nQuestions: 1 waits for an answer: `conductor decisions`\n" in one
    assert "\nQuestions: 2 wait for an answer: `conductor decisions`\n" in two
    assert "Questions" not in "\n".join(status_lines(STATUS))


def test_status_says_what_the_document_leaves_out() -> None:
    beyond = "\n".join(status_lines(STATUS)).removeprefix(EXAMPLE)
    assert "Execution: 01K is running" in beyond
    assert "67.5%" in beyond
    assert "Connector: replay (recorded turns)" in beyond
    assert "Budget: 12,345 of 250,000 tokens (4,000 reserved), 0.0123 USD\n" in beyond


def test_status_of_a_paused_execution_gives_the_reason() -> None:
    paused = {
        **STATUS,
        "status": "paused",
        "reason": "person",
        "reasonDetail": "Lunch.",
        "eta": None,
    }
    lines = "\n".join(status_lines(paused))
    assert "Execution: 01K is paused: Lunch." in lines
    assert "Estimated" not in lines


@pytest.mark.parametrize(
    ("iso", "words"),
    [
        ("2025-09-30T00:05:09Z", "9/30/2025, 12:05:09 AM"),
        ("2025-12-01T12:00:00Z", "12/1/2025, 12:00:00 PM"),
        ("2025-12-01T23:59:59.999Z", "12/1/2025, 11:59:59 PM"),
        (None, "not yet"),
    ],
)
def test_moments(iso: str | None, words: str) -> None:
    assert moment(iso) == words


def test_clock() -> None:
    assert clock(1_759_219_200_000) == "08:00:00"


@pytest.mark.parametrize("states", [MilestoneState, PhaseState, TaskState, Verdict])
def test_every_state_has_an_icon(states: Any) -> None:
    assert {str(state) for state in states} <= set(ICONS)


def event(kind: str, before: str, after: str, **facts: Any) -> Any:
    move = {"kind": kind, "id": "x", "from": before, "to": after}
    return SimpleNamespace(type=f"{kind}.{after}", at=1, payload={**facts, "move": move})


def told(event: Any, attempt: Any = None) -> str | None:
    sentence = sentence_of(event, attempt)
    return str(sentence) if sentence else None


def attempt(status: str, number: int = 1, kind: str = "CHECK_FAILED") -> Any:
    message = "Check `tests`\nexit code 1"
    return SimpleNamespace(status=status, number=number, error_kind=kind, error_message=message)


def test_a_task_that_starts() -> None:
    begins = event("task", "queued", "active", key="0/schema", agent="models", number=1)
    assert told(begins) == "🔄 0/schema started by agent-models"
    again = event("task", "queued", "active", key="0/schema", agent="models", number=2)
    assert told(again) == "🔄 0/schema started by agent-models, attempt 2"


def test_a_task_that_is_complete_names_its_commit() -> None:
    done = event(
        "task",
        "integrating",
        "completed",
        key="0/schema",
        agent="models",
        commit="0123456789abcdef",
    )
    assert told(done) == "✅ 0/schema is complete (01234567)"
    without = event("task", "active", "completed", key="0/schema", agent="models", commit=None)
    assert told(without) == "✅ 0/schema is complete"


def test_a_failed_attempt_that_is_tried_again_says_why() -> None:
    again = event("task", "active", "queued", key="1/crud-api")
    assert told(again, attempt("failed")) == (
        "⚠️  1/crud-api: attempt 1 failed (CHECK_FAILED: Check `tests` exit code 1); "
        "it is tried again"
    )
    assert "worker of attempt 2 was lost" in (told(again, attempt("lost", 2)) or "")
    released = attempt("released", kind="INFRASTRUCTURE")
    assert "attempt 1 could not go on (INFRASTRUCTURE: Check" in (told(again, released) or "")
    released.error_kind = None
    assert "given back" in (told(again, released) or "")
    assert told(again, attempt("suspended")) == ("⏳ 1/crud-api waits: Check `tests` exit code 1")


def test_what_to_do_about_a_failure_is_not_cut() -> None:
    """It comes last, and nobody can act on half of it."""
    advice = "Set ANTHROPIC_API_KEY, or choose another connector with --connector."
    told_of = attempt("failed", kind="CREDENTIALS")
    told_of.error_message = f"{'The provider refuses the key. ' * 10}{advice}"
    for before, after in (("active", "queued"), ("active", "failed")):
        assert advice in (told(event("task", before, after, key="0/a"), told_of) or "")
    told_of.status = "suspended"
    assert advice in (told(event("task", "active", "queued", key="0/a"), told_of) or "")


def test_a_conflict_and_a_failure_for_good() -> None:
    conflict = event("task", "integrating", "queued", key="1/a")
    assert "did not fit the branch" in (told(conflict, attempt("succeeded")) or "")
    lost = event("task", "active", "failed", key="1/a")
    assert told(lost, attempt("failed")) == (
        "❌ 1/a failed for good (CHECK_FAILED: Check `tests` exit code 1)"
    )


def test_milestones_and_phases() -> None:
    assert told(event("milestone", "validating", "completed", name="CRUD")) == (
        "✅ Milestone CRUD is complete"
    )
    failed = event("milestone", "validating", "pending", name="CRUD", why="tests: 1 failed")
    assert told(failed) == (
        "⚠️  Milestone CRUD: a check failed (tests: 1 failed); the task behind it is opened again"
    )
    phase = {"number": 1, "name": "Core"}
    assert told(event("phase", "pending", "in_progress", **phase)) == "🔄 Phase 1 (Core) begins"
    assert told(event("phase", "validating", "completed", **phase)) == (
        "✅ Phase 1 (Core) is complete"
    )
    failed = event("phase", "validating", "in_progress", **phase, why="tests: 1 failed")
    assert told(failed) == (
        "⚠️  Phase 1 (Core): its checks found something to mend (tests: 1 failed)"
    )


def test_what_is_judged_again_for_a_task_that_is_done_anew_has_not_failed() -> None:
    reopened = event("milestone", "validating", "pending", name="CRUD")
    assert told(reopened) == "⚠️  Milestone CRUD is judged again: a task is done anew"
    reopened = event("phase", "validating", "in_progress", number=1, name="Core")
    assert told(reopened) == "⚠️  Phase 1 (Core) is judged again: a task is done anew"


def test_what_deserves_no_line() -> None:
    assert told(event("task", "waiting", "queued", key="0/a")) is None
    assert told(event("job", "queued", "active")) is None
    assert told(fact("task.created", {"created": {}})) is None


def test_a_long_reason_is_cut() -> None:
    assert one_line("a  b\nc") == "a b c"
    assert one_line("x" * 30, 10) == "xxxxxxx..."


def test_what_an_agent_asks_has_a_line_with_the_way_out() -> None:
    asked = {"decision": "01J", "task": "0/a", "question": "Which?", "options": ["A", "B"]}
    told = sentence_of(fact("decision.raised", asked), None)
    assert told is not None and told.icon == "⏳"
    assert told.text == "0/a asks: Which? (A or B) Answer: conductor decide 01J ANSWER"
    told = sentence_of(fact("decision.answered", {"task": "0/a", "answer": "B"}), None)
    assert told is not None and (told.icon, told.text) == ("🔄", "0/a has its answer: B")
    noticed = {"task": "0/a", "kind": "quality_issue", "title": "No tests"}
    told = sentence_of(fact("signal.reported", noticed), None)
    assert told is not None and told.text == "0/a reports (quality_issue): No tests"
    learnt = {"lesson": "01J", "description": "Use tabs."}
    told = sentence_of(fact("lesson.proposed", learnt), None)
    assert told is not None
    assert told.text == "Lesson proposed: Use tabs. Accept it: conductor lessons accept 01J"
    assert sentence_of(fact("progress.noted", {}), None) is None


def test_a_budget_that_runs_short_is_told() -> None:
    told = sentence_of(fact("budget.alert", {"message": "It runs short."}), None)
    assert told is not None and told.text == "It runs short."


def fact(type_: str, payload: dict[str, Any]) -> Any:
    return SimpleNamespace(at=0, type=type_, payload=payload)


def test_status_counts_what_is_in_none_of_the_documents_states() -> None:
    told = list(status_lines({**STATUS, "skippedTasks": 1, "cancelledTasks": 2}))
    assert "Besides these tasks: 1 skipped, 2 cancelled" in told
    assert not any("Besides" in line for line in status_lines(STATUS))
