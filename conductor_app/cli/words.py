"""Events of an execution as lines for people: an icon and a sentence; most events have none."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Row

DONE, WORKING, WAITING, BAD, NOTE = "✅", "🔄", "⏳", "❌", "⚠️ "
# What stands for the states of phases, milestones, tasks and verdicts of checks.
ICONS: Mapping[str, str] = {
    "pending": WAITING,
    "waiting": WAITING,
    "queued": WAITING,
    "active": WORKING,
    "integrating": WORKING,
    "in_progress": WORKING,
    "validating": WORKING,
    "completed": DONE,
    "passed": DONE,
    "failed": BAD,
    "skipped": NOTE,
    "cancelled": NOTE,
    "superseded": NOTE,
    "rolled_back": NOTE,
}
LONGEST_REASON = 200
# Of what has to be done something about: advice comes last, and must not be cut.
LONGEST_ADVICE = 1_500
JUDGED_AGAIN = "is judged again: a task is done anew"


@dataclass(frozen=True)
class Sentence:
    """What happened, when (ms since 1970 UTC)."""

    at: int
    icon: str
    text: str

    def __str__(self) -> str:
        return f"{self.icon} {self.text}"


Words = tuple[str, str] | None
Facts = Mapping[str, Any]


def sentence_of(event: Row[Any], attempt: Row[Any] | None) -> Sentence | None:
    """The line for an event, if it deserves one; `attempt` is the one that ended with it."""
    facts = event.payload
    move = facts.get("move")
    if move is None:
        fact = FACTS.get(event.type)
        return Sentence(event.at, *fact(facts)) if fact else None
    wording = WORDING.get(move["kind"])
    words = wording(move["from"], move["to"], facts, attempt) if wording else None
    return Sentence(event.at, *words) if words else None


def one_line(text: str, limit: int = LONGEST_REASON) -> str:
    """The text on one line, cut at `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 3]}..."


def failure(kind: str | None, message: str | None) -> str:
    """The kind of a failure and its sentence, `TIMEOUT: It took ...`, on one line."""
    return one_line(": ".join(filter(None, (kind, message))), LONGEST_ADVICE)


def _execution(before: str, after: str, facts: Facts, _: object) -> Words:
    if after == "running":
        return (WORKING, "Goes on") if before == "paused" else None
    if after == "paused":
        return NOTE, f"Paused: {facts.get('reason_detail') or facts.get('reason')}"
    return None


def _phase(before: str, after: str, facts: Facts, _: object) -> Words:
    name = f"Phase {facts['number']} ({facts['name']})"
    if after == "in_progress" and before == "validating":
        if not (why := _why(facts)):
            return NOTE, f"{name} {JUDGED_AGAIN}"
        return NOTE, f"{name}: its checks found something to mend ({why})"
    return {
        "in_progress": (WORKING, f"{name} begins"),
        "validating": (WORKING, f"{name}: exit criteria and phase tests run"),
        "completed": (DONE, f"{name} is complete"),
        "failed": (BAD, f"{name} failed"),
        "rolled_back": (NOTE, f"{name} was rolled back"),
        "skipped": (NOTE, f"{name} is skipped"),
    }.get(after)


def _milestone(before: str, after: str, facts: Facts, _: object) -> Words:
    name = f"Milestone {facts['name']}"
    if after == "pending" and before == "validating":
        if not (why := _why(facts)):
            return NOTE, f"{name} {JUDGED_AGAIN}"
        return NOTE, f"{name}: a check failed ({why}); the task behind it is opened again"
    return {
        "validating": (WORKING, f"{name}: its checks run"),
        "completed": (DONE, f"{name} is complete"),
        "failed": (BAD, f"{name} failed its checks"),
    }.get(after)


def _task(before: str, after: str, facts: Facts, attempt: Row[Any] | None) -> Words:
    name = facts["key"]
    if after == "queued":
        return _again(name, before, attempt)
    if after == "failed":
        why = failure(attempt.error_kind, attempt.error_message) if attempt else ""
        return BAD, f"{name} failed for good{f' ({why})' if why else ''}"
    return {
        "active": (WORKING, f"{name} started by agent-{facts['agent']}{_number(facts)}"),
        "completed": (DONE, f"{name} is complete{_commit(facts)}"),
        "skipped": (NOTE, f"{name} is skipped"),
        "cancelled": (NOTE, f"{name} is cancelled"),
        "superseded": (NOTE, f"{name} is done anew"),
    }.get(after)


def _again(name: str, before: str, attempt: Row[Any] | None) -> Words:
    """A task that goes back to its queue after somebody worked on it."""
    if before == "integrating":
        return NOTE, f"{name}: its commit did not fit the branch any more; it is tried again"
    if before != "active" or attempt is None:
        return None
    number = f"attempt {attempt.number}"
    if attempt.status == "failed":
        why = failure(attempt.error_kind, attempt.error_message)
        return NOTE, f"{name}: {number} failed ({why}); it is tried again"
    if attempt.status == "lost":
        return NOTE, f"{name}: the worker of {number} was lost; it is tried again"
    if attempt.status == "suspended" and attempt.error_kind == "DECISION":
        # Its question has a line of its own.
        return None
    if attempt.status == "suspended":
        return WAITING, f"{name} waits: {one_line(attempt.error_message or '', LONGEST_ADVICE)}"
    if attempt.error_kind:
        why = failure(attempt.error_kind, attempt.error_message)
        return NOTE, f"{name}: {number} could not go on ({why}); it is tried again"
    return WAITING, f"{name}: {number} was given back by a worker that stops"


def _waits(facts: Facts) -> tuple[str, str]:
    what = f"Milestone {facts['milestone']}" if "milestone" in facts else f"Phase {facts['phase']}"
    return WAITING, f"{what}: its review waits: {one_line(facts['reason'], LONGEST_ADVICE)}"


def _asked(facts: Facts) -> tuple[str, str]:
    choice = f" ({' or '.join(facts['options'])})" if facts["options"] else ""
    way_out = f"conductor decide {facts['decision']} ANSWER"
    question = one_line(facts["question"], LONGEST_ADVICE)
    return WAITING, f"{facts['task']} asks: {question}{choice} Answer: {way_out}"


def _decided(facts: Facts) -> tuple[str, str]:
    return WORKING, f"{facts['task']} has its answer: {one_line(facts['answer'])}"


def _reported(facts: Facts) -> tuple[str, str]:
    return NOTE, f"{facts['task']} reports ({facts['kind']}): {one_line(facts['title'])}"


def _proposed(facts: Facts) -> tuple[str, str]:
    learnt = one_line(facts["description"].rstrip("."))
    return NOTE, f"Lesson proposed: {learnt}. Accept it: conductor lessons accept {facts['lesson']}"


def _why(facts: Facts) -> str:
    """The check that failed; empty where none has, and other work made the judging void."""
    return one_line(facts.get("why", ""), LONGEST_ADVICE)


def _number(facts: Facts) -> str:
    return f", attempt {facts['number']}" if facts.get("number", 1) > 1 else ""


def _commit(facts: Facts) -> str:
    return f" ({facts['commit'][:8]})" if facts.get("commit") else ""


WORDING: Mapping[str, Callable[[str, str, Facts, Row[Any] | None], Words]] = {
    "execution": _execution,
    "phase": _phase,
    "milestone": _milestone,
    "task": _task,
}
# Of events that move nothing.
FACTS: Mapping[str, Callable[[Facts], tuple[str, str]]] = {
    "decision.raised": _asked,
    "decision.answered": _decided,
    "signal.reported": _reported,
    "lesson.proposed": _proposed,
    "budget.alert": lambda facts: (NOTE, facts["message"]),
    "job.waits": _waits,
}


def resume_command(location: str) -> str:
    """What lets the unfinished execution of a repository go on."""
    return f"conductor run --resume --project {shlex.quote(location)}"
