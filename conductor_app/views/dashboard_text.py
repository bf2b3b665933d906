"""The dashboard as Markdown: `dashboard.md`, and what a terminal shows."""

from collections.abc import Mapping, Sequence
from typing import Any

from conductor_app.views.markdown import code, document, listed, table, text
from conductor_app.views.report_text import agents, error, lesson, mark
from conductor_app.views.units import budget_line, duration, percent, questions_line, to_the_second

Item = Mapping[str, Any]

BAR = 20
GIB = 2**30
NOTHING = "None yet."


def markdown(dashboard: Item) -> str:
    return document(
        f"# Dashboard: {text(dashboard['execution']['project'])}",
        _execution(dashboard["execution"]),
        "## System Health",
        _health(dashboard["system_health"]),
        "## Current Phase",
        *_current_phase(dashboard["current_phase"]),
        "## Overall Progress",
        *_overall(dashboard["overall_progress"]),
        "## Active Agents",
        _agents(dashboard["active_agents"]),
        "## Recent Milestones",
        listed(_milestone(each) for each in dashboard["recent_milestones"]) or NOTHING,
        "## Tasks Overview",
        *_tasks(dashboard["tasks_overview"]),
        "## Recent Lessons",
        listed(lesson(each) for each in dashboard["recent_lessons"]) or NOTHING,
        "## Recent Errors",
        listed(error(each) for each in dashboard["recent_errors"]) or NOTHING,
    )


def bar(fraction: float) -> str:
    filled = int(fraction * BAR)
    return "█" * filled + "░" * (BAR - filled) + f" {percent(fraction)}"


def _execution(execution: Item) -> list[str]:
    reason = execution["reason_detail"] or execution["reason"]
    status = execution["status"] + (f": {text(reason)}" if reason else "")
    replay = f" (recorded turns{_where(execution)})" if execution["replayed"] else ""
    step = [f"Next: {text(execution['next_step'])}"] if execution["next_step"] else []
    count = execution["pending_decisions"]
    asked = [f"Questions: {questions_line(count)}"] if count else []
    spent = [f"Budget: {budget_line(execution['budget'])}"] if execution["budget"] else []
    return listed(
        (
            f"Execution: {code(execution['id'])}, workflow {text(execution['workflow'])}",
            f"Status: {mark(execution['status'])} {status}",
            *step,
            *asked,
            f"Connector: {text(execution['connector'])}{replay}",
            *spent,
            f"Running for: {duration(execution['seconds'])}",
            f"As of: {to_the_second(execution['shown_at'])}",
        )
    )


def _where(execution: Item) -> str:
    return ", no model" if execution["replay"] else f" in {execution['replayed']} only"


def _health(health: Item) -> list[str]:
    memory = health["memory"]
    idle = " (no worker: nothing can move; `conductor up` starts some)"
    return listed(
        (
            f"Status: {health['status']}{idle if health['status'] == 'idle' else ''}",
            f"Uptime: {duration(health['uptime'])}",
            f"Memory: {memory['used_bytes'] / GIB:.1f} of {memory['total_bytes'] / GIB:.1f} GiB "
            f"({percent(memory['used'])})",
            f"CPU: {percent(health['cpu'])}",
            f"Connections: {health['connections']} workers, {health['slots']} slots",
        )
    )


def _current_phase(phase: Item) -> Sequence[str | list[str]]:
    return [
        f"**Phase {phase['number']}: {text(phase['name'])}** "
        f"{mark(phase['status'])} {phase['status']}",
        text(phase["description"]),
        bar(phase["progress"]),
        [f"- {mark(each['status'])} {text(each['name'])}" for each in phase["milestones"]],
    ]


def _overall(overall: Item) -> Sequence[str | list[str]]:
    left = overall["estimates"]["remaining_seconds"]
    eta = to_the_second(overall["eta"]) if overall["eta"] else "unknown"
    return [
        bar(overall["progress"]),
        table(
            ("Phase", "Status", "Progress"),
            [
                (
                    f"{each['number']} {text(each['name'])}",
                    f"{mark(each['status'])} {each['status']}",
                    percent(each["progress"]),
                )
                for each in overall["phases"]
            ],
        ),
        listed(
            (
                f"Estimated completion: {eta}",
                f"Work left on the critical path, by what earlier attempts took: {duration(left)}",
            )
        ),
    ]


def _agents(found: Sequence[Item]) -> list[str] | str:
    shown = {f"{'🔄 ' if each['active'] else ''}{each['agent']}": each for each in found}
    return agents(shown) or NOTHING


def _milestone(each: Item) -> str:
    at = to_the_second(each["completed_at"])
    return f"{mark('completed')} {at} {text(each['name'])} (phase {each['phase']})"


def _tasks(tasks: Item) -> Sequence[str | list[str]]:
    counted = ("active", "completed", "failed", "waiting", "skipped", "cancelled", "total")
    return [
        table([name.capitalize() for name in counted], [[str(tasks[name]) for name in counted]]),
        [
            f"- {mark(each['status'])} {code(each['key'])} {text(each['title'])} ({each['agent']})"
            for each in tasks["named"]
        ],
    ]
