"""The status of an execution in the words and the layout of document 000."""

from collections.abc import Iterator, Mapping
from typing import Any

from conductor_app.cli.times import moment
from conductor_app.cli.words import ICONS
from conductor_app.views.units import budget_line, questions_line

RULE = "=" * 60


def status_lines(status: Mapping[str, Any]) -> Iterator[str]:
    """The lines of `conductor status`, from what `views.status` tells."""
    phase = status["currentPhase"]
    yield "🎭 Orchestrator Status"
    yield RULE
    yield ""
    yield f"Current Phase: {phase['number']} - {phase['name']}"
    yield f"Completed Phases: [{', '.join(map(str, status['completedPhases']))}]"
    yield f"Active Agents: [{', '.join(status['activeAgents'])}]"
    yield ""
    yield "Milestones:"
    for milestone in status["milestones"]:
        yield f"  {ICONS[milestone['status']]} {milestone['name']}"
    yield ""
    yield "Tasks:"
    for state in ("Completed", "Active", "Waiting", "Failed"):
        yield f"  {state}: {status[f'{state.lower()}Tasks']}"
    yield ""
    yield f"Started: {moment(status['startedAt'])}"
    yield f"Last Updated: {moment(status['lastUpdated'])}"
    yield ""
    yield from _beyond_the_document(status)


def _beyond_the_document(status: Mapping[str, Any]) -> Iterator[str]:
    why = status["reasonDetail"] or status["reason"]
    yield f"Execution: {status['executionId']} is {status['status']}{f': {why}' if why else ''}"
    yield f"Progress: {status['overallProgress']:.1%}, up to phase {status['targetPhase']}"
    # Without these the tasks above do not add up.
    besides = [(status[f"{state}Tasks"], state) for state in ("skipped", "cancelled")]
    if any(count for count, _ in besides):
        told = ", ".join(f"{count} {state}" for count, state in besides if count)
        yield f"Besides these tasks: {told}"
    if status["nextStep"]:
        yield f"Next: {status['nextStep']}"
    if status["pendingDecisions"]:
        yield f"Questions: {questions_line(status['pendingDecisions'])}"
    if status["budget"]:
        yield f"Budget: {budget_line(status['budget'])}"
    if status["eta"] and status["status"] == "running":
        yield f"Estimated Completion: {moment(status['eta'])}"
    yield f"Connector: {_connector(status['connector'])}"


def _connector(name: str) -> str:
    return f"{name} (recorded turns)" if name == "replay" else name
