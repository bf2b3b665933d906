"""A report as Markdown, for a terminal, a file or a pull request."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from conductor_app.views.markdown import code, document, listed, table, text
from conductor_app.views.units import duration, numbered, percent, shown, to_the_second

Item = Mapping[str, Any]

MARKS = {
    "completed": "✅",
    "passed": "✅",
    "failed": "❌",
    "skipped": "⏭️",
    "running": "🔄",
    "active": "🔄",
    "integrating": "🔄",
    "in_progress": "🔄",
    "validating": "🔄",
    "paused": "⏸️",
    "cancelled": "⏹️",
}
NOT_YET = "⏳"
LONGEST_COMMAND = 100
NOT_RECORDED = "Not recorded: no replay can do this phase; it needs a connector to a model."


def markdown(report: Item) -> str:
    execution = report["execution"]
    return document(
        f"# {text(execution['title'])}: {text(execution['project'])}",
        _replay(execution),
        _header(report),
        *[block for phase in report["phases"] for block in _phase(phase)],
        *_failed(report),
        "## Commits" if report["commits"] else "",
        table(("Commit", "Task", "Title"), map(_commit, report["commits"])),
        "## Bill" if report["bill"] else "",
        table(
            ("Agent", "Model", "Calls", "Tokens", "Cost", "Prices of"), map(_bill, report["bill"])
        ),
        listed(map(text, report["totals"]["remarks"])),
        "## Agents" if report["agents"] else "",
        agents(report["agents"]),
        "## Errors" if report["errors"] else "",
        listed(error(each) for each in report["errors"]),
        "## Lessons" if report["lessons"] else "",
        listed(lesson(each) for each in report["lessons"]),
        "## Lessons that wait for you" if report["proposed_lessons"] else "",
        listed(_proposed(each) for each in report["proposed_lessons"]),
        "## Signals" if report["signals"] else "",
        listed(_signal(each) for each in report["signals"]),
    )


def mark(status: str | None) -> str:
    return MARKS.get(status or "", NOT_YET)


def _replay(execution: Item) -> str:
    if not execution["replayed"]:
        return ""
    what = "" if execution["replay"] else f" of {execution['replayed']}"
    there = "" if execution["replay"] else " there"
    return (
        f"> **Replay{what}.** Agents' turns{there} came from recordings, not from a model; tools, "
        "checks and commits were real."
    )


def _header(report: Item) -> list[str]:
    execution, totals = report["execution"], report["totals"]
    status = f"{mark(execution['status'])} {execution['status']}"
    if execution["reason_detail"] or execution["reason"]:
        status += f": {text(execution['reason_detail'] or execution['reason'])}"
    usage = totals["usage"]
    tasks = ", ".join(f"{n} {name}" for name, n in totals["tasks"].items() if name != "total")
    rows = [
        ("Status", status),
        ("Progress", percent(execution["overall_progress"])),
        ("Execution", code(execution["id"])),
        ("Workflow", f"{text(execution['workflow'])} ({code(execution['workflow_version'][:12])})"),
        ("Connector", text(execution["connector"])),
        ("Branch", code(execution["branch"])),
        ("Tip", code((execution["tip"] or "")[:12])),
        ("Started", to_the_second(execution["started_at"])),
        ("Took", duration(execution["seconds"])),
        ("Tasks", f"{totals['tasks']['total']}: {tasks}"),
        ("Attempts", f"{totals['attempts']}, of which {totals['retries']} retries"),
        ("Tokens", tokens(usage)),
        *_replayed(report),
        ("Cost", f"{usage['cost_usd']} USD"),
    ]
    return table(("", ""), rows)


def _replayed(report: Item) -> Sequence[tuple[str, str]]:
    """What a run that was paid for has replayed as well."""
    execution, recorded = report["execution"], report["totals"]["replayed_usage"]
    if execution["replay"] or not execution["replayed"]:
        return ()
    told = f"{execution['replayed']}: {tokens(recorded)}, as recorded; nothing was spent on it"
    return (("Replayed", told),)


def _bill(line: Item) -> Sequence[str]:
    unpriced = line["unpriced_calls"]
    unknown = f", {unpriced} call{'s' * (unpriced != 1)} at no known price"
    return (
        text(line["agent"]),
        f"{text(line['connector'])}: {text(line['model'])}",
        str(line["calls"]),
        tokens(line),
        f"{line['cost_usd']} USD{unknown if unpriced else ''}",
        " to ".join(line["prices_of"]),
    )


def tokens(usage: Item) -> str:
    return (
        f"{usage['input_tokens']:,} in, {usage['output_tokens']:,} out, "
        f"{usage['cache_read_tokens']:,} from the cache"
    )


def _phase(phase: Item) -> Sequence[str | Sequence[str]]:
    title = f"## Phase {phase['number']}: {text(phase['name'])}"
    if not phase["inside"]:
        return [title, "Not part of this execution."] + (
            [] if phase["recorded"] else [NOT_RECORDED]
        )
    replayed = "replay" in phase["connectors"]
    done = f"{mark(phase['status'])} {phase['status']}, {percent(phase['progress'])}"
    took = f", took {duration(phase['seconds'])}" if phase["seconds"] is not None else ""
    return [
        title,
        text(phase["goal"]),
        f"{done}{took}, by {text(', '.join(phase['connectors']))}",
        NOT_RECORDED if replayed and not phase["recorded"] else "",
        "### Milestones" if phase["milestones"] else "",
        [line for each in phase["milestones"] for line in _milestone(each)],
        "### Exit criteria" if phase["exit_criteria"] else "",
        listed(check(each) for each in phase["exit_criteria"]),
        "### Tests" if phase["tests"] else "",
        listed(check(each) for each in phase["tests"]),
        "### Tasks" if phase["tasks"] else "",
        table(
            ("Task", "Agent", "Status", "Attempts", "Sandbox", "Time", "Commit"),
            [_task(each) for each in phase["tasks"]],
        ),
        [line for each in phase["tasks"] for line in _proof(each)],
    ]


def _milestone(milestone: Item) -> list[str]:
    commit = milestone["judged_commit"]
    at = f" (judged at {code(commit[:12])})" if commit else ""
    line = f"- {mark(milestone['status'])} **{text(milestone['name'])}** {milestone['status']}{at}"
    return [line, *_checks(milestone["checks"])]


def check(result: Item) -> str:
    """A check result in a line: verdict, name, what was run, how it ended, on what, its log."""
    facts = []
    if result["command"]:
        command = result["command"]
        written = command if isinstance(command, str) else " ".join(map(str, command))
        facts.append(code(textwrap.shorten(written, LONGEST_COMMAND, placeholder=" ...")))
    if result["exit_code"] is not None:
        facts.append(f"exit code {result['exit_code']}")
    if result["seconds"] is not None:
        facts.append(duration(result["seconds"]))
    if result["commit"]:
        facts.append(f"commit {code(result['commit'][:12])}")
    if result["log_path"]:
        facts.append(f"log {code(result['log_path'])}")
    # Of a command that succeeded its exit code says it all.
    told = result["verdict"] != "passed" or not result["command"]
    said = f": {text(result['message'])}" if told and result["message"] else ""
    return f"{mark(result['verdict'])} {text(result['name'])}{said} ({', '.join(facts)})"


def _task(task: Item) -> tuple[str, ...]:
    status = f"{mark(task['status'])} {task['status']}"
    if task["error_message"] and task["status"] == "failed":
        status += f": {_failure(task)}"
    if task["status"] == "skipped":
        # The reason of the person who skipped it.
        status += f": {text(task['summary'])}"
    took = sum(each["seconds"] or 0 for each in task["attempts"])
    return (
        code(task["key"]),
        shown(task["agent"]),
        status,
        str(len(task["attempts"])),
        ", ".join(sorted({each["sandbox"] for each in task["attempts"] if each["sandbox"]})),
        duration(took) if task["attempts"] else "",
        code((task["commit"] or "")[:12]),
    )


def _proof(task: Item) -> list[str]:
    """The checks that the work which was taken has passed."""
    checks = taken_checks(task)
    return [f"- {code(task['key'])}", *_checks(checks)] if checks else []


def taken_checks(task: Item) -> Sequence[Item]:
    """The check results of a completed task's last attempt; none of one that was skipped."""
    last = task["attempts"][-1:] if task["status"] == "completed" else ()
    return [
        each for attempt in last if attempt["status"] == "succeeded" for each in attempt["checks"]
    ]


def _checks(results: Sequence[Item]) -> list[str]:
    return [f"  - {check(each)}" for each in results]


def _failed(report: Item) -> Sequence[str | list[str]]:
    """Attempts that failed, with what they left."""
    lines = [
        line
        for phase in report["phases"]
        for task in phase["tasks"]
        for attempt in task["attempts"]
        if attempt["status"] in ("failed", "lost")
        for line in _failed_attempt(task, attempt)
    ]
    return ["## Attempts that failed", lines] if lines else []


def _failed_attempt(task: Item, attempt: Item) -> list[str]:
    name = f"{code(task['key'])}, {numbered(attempt)}{_confined(attempt)}"
    kept = f" Its work: {code('git show ' + attempt['kept'])}" if attempt["kept"] else ""
    return [f"- {name}: {_failure(attempt)}{kept}", *_checks(attempt["checks"])]


def _confined(attempt: Item) -> str:
    """How its commands were, where that was found out before it ended."""
    return f" (sandbox: {attempt['sandbox']})" if attempt["sandbox"] else ""


def _failure(of: Item) -> str:
    """Its kind and its sentence."""
    kind = f"{code(of['error_kind'])}: " if of["error_kind"] else ""
    return kind + text(of["error_message"] or of["status"])


def _commit(commit: Item) -> tuple[str, ...]:
    done_again = " (done again since)" if commit["replaced"] else ""
    return code(commit["commit"][:12]), code(commit["task"]), text(commit["title"]) + done_again


def agents(metrics: Mapping[str, Item]) -> list[str]:
    """The table of agents' metrics."""
    header = ("Agent", "Completed", "Failed", "Success rate", "Average time")
    return table(header, [_agent(name, each) for name, each in metrics.items()])


def _agent(name: str, each: Item) -> tuple[str, ...]:
    rate = each["successRate"]
    return (
        name,
        str(each["tasksCompleted"]),
        str(each["tasksFailed"]),
        "unknown" if rate is None else percent(rate),
        duration(each["averageDuration"]),
    )


def error(each: Item) -> str:
    who = f" - {shown(each['agent'])}" if each["agent"] else ""
    where = f"**{each['severity']}** Phase {each['phase']}{who}"
    what = f"{code(each['kind'])}: {text(each['message'])}"
    return f"{to_the_second(each['created_at'])} {where}: {what}"


def lesson(each: Item) -> str:
    impact = f" ({text(each['impact'])})" if each["impact"] else ""
    learnt = f"*{each['category']}*: {text(each['description'])}{impact}"
    return f"{to_the_second(each['timestamp'])} {learnt}"


def _proposed(each: Item) -> str:
    who = f" {shown(each['agent'])}" if each["agent"] else ""
    done = f" (what was done: {text(each['action_taken'])})" if each["action_taken"] else ""
    learnt = f"*{each['category']}*{who}: {text(each['description'].rstrip('.'))}{done}"
    return f"{learnt}. Accept it: {code('conductor lessons accept ' + each['id'])}"


def _signal(each: Item) -> str:
    detail = f": {text(each['detail'])}" if each["detail"] else ""
    who = f"{code(each['task'])}, {shown(each['agent'])}"
    return f"*{each['type']}* {text(each['title'])}{detail} ({who})"
