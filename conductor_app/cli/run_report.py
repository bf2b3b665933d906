"""The report at the end of a run, short enough for a terminal; `conductor report` has all of it."""

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from conductor_app.cli.words import ICONS, NOTE, failure, one_line
from conductor_app.domain.location import is_url
from conductor_app.views.report_text import taken_checks
from conductor_app.views.units import duration, numbered

Item = Mapping[str, Any]
SHORT_COMMIT = 8


def report_lines(report: Item, repository: str) -> Iterator[str]:
    """The lines for what `views.report` tells of an execution in this repository, path or URL."""
    execution = report["execution"]
    yield ""
    yield f"{execution['title']}: {_outcome(execution)}"
    for phase in report["phases"]:
        if phase["inside"]:
            yield ""
            yield from _phase(phase)
    yield from _failed(report, repository)
    yield from _commits(report)
    yield ""
    yield from _totals(report)
    yield from _not_done(report)
    yield from _waiting(report)
    yield from _ways_on(execution, repository)
    yield ""


def evidence(checks: Sequence[Item]) -> str:
    """`4 checks passed, 1 skipped (docker is not on PATH)`."""
    counts = Counter(check["verdict"] for check in checks)
    if not checks:
        return "its tasks are complete"
    told = [f"{counts['passed']} check{'s' * (counts['passed'] != 1)} passed"]
    for verdict in ("failed", "skipped"):
        reasons = [one_line(each["message"], 80) for each in checks if each["verdict"] == verdict]
        if reasons:
            told.append(f"{len(reasons)} {verdict} ({'; '.join(dict.fromkeys(reasons))})")
    return ", ".join(told)


def _outcome(execution: Item) -> str:
    if execution["status"] == "completed":
        return f"complete up to phase {execution['target_phase']}{_labelled(execution)}"
    why = execution["reason_detail"] or execution["reason"]
    return f"{execution['status']} in phase {execution['current_phase']}{_labelled(execution)}" + (
        f"\n{NOTE} {why}" if why else ""
    )


def _labelled(execution: Item) -> str:
    if execution["replay"]:
        return " (replay)"
    return f" (replay of {execution['replayed']})" if execution["replayed"] else ""


def _phase(phase: Item) -> Iterator[str]:
    took = f" · {duration(phase['seconds'])}" if phase["seconds"] is not None else ""
    yield f"{ICONS[phase['status']]} Phase {phase['number']}  {phase['name']}{took}"
    for milestone in phase["milestones"]:
        icon = ICONS[milestone["status"]]
        shown = f": {evidence(milestone['checks'])}" if milestone["status"] == "completed" else (
            f": {milestone['status']}"
        )  # fmt: skip
        yield f"   {icon} {milestone['name']}{shown}"
    for name in ("exit_criteria", "tests"):
        if phase[name]:
            icon = ICONS["failed" if _any_failed(phase[name]) else "passed"]
            yield f"   {icon} {name.capitalize().replace('_', ' ')}: {evidence(phase[name])}"


def _any_failed(checks: Sequence[Item]) -> bool:
    return any(check["verdict"] == "failed" for check in checks)


def _failed(report: Item, repository: str) -> Iterator[str]:
    """Attempts that failed, what they left, and what became of their tasks."""
    lines = [
        line
        for phase in report["phases"]
        for task in phase["tasks"]
        for attempt in task["attempts"]
        if attempt["status"] in ("failed", "lost")
        for line in _attempt(task, attempt, repository)
    ]
    if lines:
        yield from ("", "Attempts that failed", *lines)


def _attempt(task: Item, attempt: Item, repository: str) -> Iterator[str]:
    mended = " (mended by a later attempt)" if task["status"] == "completed" else ""
    why = failure(attempt["error_kind"], attempt["error_message"]) or attempt["status"]
    yield f"   {NOTE} {task['key']}, {numbered(attempt)}: {why}{mended}"
    if attempt["kept"] and repository:
        yield f"      Its work: {_way_to_see(repository, attempt['kept'])}"


def _way_to_see(repository: str, ref: str) -> str:
    if is_url(repository):
        # Published or not, it is there.
        return f"{ref}, in the worker's mirror (`repositories/` in its data directory)"
    return f"git -C {shlex.quote(repository)} show {ref}"


def _commits(report: Item) -> Iterator[str]:
    if report["commits"]:
        yield from ("", f"Commits on {report['execution']['branch']}")
    elif report["execution"]["status"] == "completed" and _had_files(report):
        yield from ("", "No commit: no file was changed.")
    for commit in report["commits"]:
        yield f"   {commit['commit'][:SHORT_COMMIT]}  {commit['task']}  {commit['title']}"


def _had_files(report: Item) -> bool:
    return any(task["files"] for phase in report["phases"] for task in phase["tasks"])


def _totals(report: Item) -> Iterator[str]:
    totals, usage, execution = report["totals"], report["totals"]["usage"], report["execution"]
    labelled = ", as recorded; nothing was spent" if execution["replay"] else ""
    yield f"Tasks     {_tasks(report)}"
    again = f", {totals['retries']} of them after a first one" if totals["retries"] else ""
    yield f"Attempts  {totals['attempts']}{again}"
    yield f"Time      {duration(execution['seconds'])}"
    yield f"Tokens    {_tokens(usage)}{labelled}"
    if execution["replayed"] and not execution["replay"]:
        recorded = f"{_tokens(totals['replayed_usage'])} of {execution['replayed']}"
        yield f"          {recorded}, as recorded; nothing was spent on it"
    yield f"Cost      {usage['cost_usd']} USD{' (replay)' if execution['replay'] else ''}"
    yield from map(_bill, report["bill"])
    for remark in totals["remarks"]:
        yield f"          {remark}"


def _tasks(report: Item) -> str:
    counts = report["totals"]["tasks"]
    tasks = [each for phase in report["phases"] for each in phase["tasks"]]
    checks = [each for task in tasks for each in taken_checks(task)]
    completed = f"{counts.get('completed', 0)} of {counts['total']} completed"
    return f"{completed}, {evidence(checks)}" if checks else completed


def _tokens(usage: Item) -> str:
    return f"{usage['input_tokens']:,} in, {usage['output_tokens']:,} out"


def _bill(line: Item) -> str:
    calls = f"{line['calls']} call{'s' * (line['calls'] != 1)}"
    unknown = f", {line['unpriced_calls']} at no known price" if line["unpriced_calls"] else ""
    return (
        f"          {line['cost_usd']} USD  {line['agent']}, {line['connector']} "
        f"({line['model']}), {calls}{unknown}"
    )


def _not_done(report: Item) -> Iterator[str]:
    for number, line in enumerate((*_unrecorded(report), *_skipped(report))):
        yield f"{'Not done' if number == 0 else '':<10}{line}"


def _unrecorded(report: Item) -> Iterator[str]:
    missing = [
        f"{phase['number']} ({phase['name']})"
        for phase in report["phases"]
        if not phase["recorded"]
    ]
    if report["execution"]["replay"] and missing:
        yield f"No recording of phases {', '.join(missing)}; they need a model"


def _skipped(report: Item) -> Iterator[str]:
    for phase in report["phases"]:
        for task in phase["tasks"]:
            if task["status"] == "skipped":
                yield f"{task['key']}, which a person skipped: {one_line(task['summary'])}"


def _waiting(report: Item) -> Iterator[str]:
    """What agents left for people."""
    if proposed := len(report["proposed_lessons"]):
        yield f"Lessons   {proposed} proposed: conductor lessons --proposed"
    if reported := len(report["signals"]):
        yield f"Signals   {reported} reported: conductor signals"


def _ways_on(execution: Item, repository: str) -> Iterator[str]:
    if repository:
        yield f"Result    {repository}, branch {execution['branch']}"
        yield f"Look      {_way_to_look(repository, execution['branch'])}"
    yield f"Details   conductor report --execution {execution['id']}"


def _way_to_look(repository: str, branch: str) -> str:
    place = shlex.quote(repository)
    if is_url(repository):
        return f"git clone --branch {branch} {place}"
    return f"git -C {place} log --stat {branch}"
