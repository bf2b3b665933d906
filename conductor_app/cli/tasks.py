"""Commands of single tasks: `tasks`, `why`, `retry`, `skip`, `rerun`, `cancel`."""

from typing import TYPE_CHECKING, Any

import click

from conductor_app.cli.chosen import current_or_named, execution_option, to_be_shown
from conductor_app.cli.invocation import Invocation, command
from conductor_app.cli.reading import reading
from conductor_app.errors import NotFound

if TYPE_CHECKING:
    from sqlalchemy import Row

    from conductor_app.store.database import Transaction

PAGE = 500


@command("tasks", example="conductor tasks --status failed")
@execution_option
@click.option("--status", multiple=True, help="Only these states, such as waiting; repeatable.")
@click.option("--phase", type=click.IntRange(min=0), help="Only this phase.")
@click.option("--agent", help="Only this agent, such as models.")
def command_tasks(
    invocation: Invocation,
    execution: str | None,
    status: tuple[str, ...],
    phase: int | None,
    agent: str | None,
) -> None:
    """List the tasks of the current execution, or of the newest when none is unfinished."""
    from conductor_app.views import connectors

    filters: dict[str, Any] = {
        "status": status or None,
        "phase": phase,
        "agent": agent.removeprefix("agent-") if agent else None,
    }
    with reading(invocation.settings) as tx:
        chosen = to_be_shown(tx, invocation, execution)
        connector = connectors.chooser(tx, chosen, invocation.settings.default_connector)
        rows = [
            {**row, "connector": connector(row["phase"], row["agent"])}
            for row in _all_tasks(tx, chosen.id, filters)
        ]
    inside = [row for row in rows if not row["beyond_target"]]
    # They wait for nothing: this execution ends before them.
    if status:
        rows = inside
    output = invocation.output
    output.table(
        ("Task", "State", "Agent", "Connector", "Title", "Error"),
        [_line(row) for row in rows],
        dispensable=("Title",),
    )
    beyond = len(rows) - len(inside)
    sentence = f"{len(inside)} task{'s' * (len(inside) != 1)} of execution {chosen.id}" + (
        f", and {beyond} beyond its target, phase {chosen.target_phase}." if beyond else "."
    )
    output.say(f"\n{sentence}")
    output.result({"execution": chosen.id, "items": rows}, sentence)


def _line(row: dict[str, Any]) -> tuple[str, ...]:
    state = "beyond" if row["beyond_target"] else row["status"]
    agent = f"agent-{row['agent']}"
    return row["key"], state, agent, row["connector"], row["title"], row["error_kind"]


@command("why", example="conductor why 1/crud-api")
@execution_option
@click.argument("task")
def command_why(invocation: Invocation, execution: str | None, task: str) -> None:
    """Explain why TASK is not running, and what would make it run."""
    from dataclasses import asdict

    from conductor_app.engine import explain
    from conductor_app.views import connectors

    with reading(invocation.settings) as tx:
        chosen = to_be_shown(tx, invocation, execution)
        row = task_of(tx, chosen.id, task)
        why = explain.why(tx, chosen.id, row.key)
        choose = connectors.chooser(tx, chosen, invocation.settings.default_connector)
    connector = choose(row.phase, row.agent)
    label = f" ({connector})" if connector == connectors.REPLAY else ""
    invocation.output.say(f"{row.key}{label} is {why.state}. {why.sentence}")
    told = {"task": row.key, "connector": connector, **asdict(why)}
    invocation.output.result(told, why.sentence)


@command("retry", example="conductor retry 1/crud-api")
@execution_option
@click.argument("task")
def command_retry(invocation: Invocation, execution: str | None, task: str) -> None:
    """Try a failed or cancelled TASK again, or now one that waits for its next try.

    The agent is told what went wrong.
    """
    _post(invocation, f"tasks/{_current(invocation, execution, task).id}/retry")


@command("skip", example='conductor skip 1/version-api --reason "Not needed yet"')
@execution_option
@click.argument("task")
@click.option("--reason", required=True, help="Kept with the task and shown in the report.")
def command_skip(invocation: Invocation, execution: str | None, task: str, reason: str) -> None:
    """Go on without TASK: what needs it takes its need as met."""
    _post(invocation, f"tasks/{_current(invocation, execution, task).id}/skip", reason=reason)


@command("rerun", example="conductor rerun 1/crud-api")
@execution_option
@click.argument("task")
def command_rerun(invocation: Invocation, execution: str | None, task: str) -> None:
    """Do TASK of the current phase again, with all that needs it; what is independent stays.

    Their commits are taken back first. `conductor rollback` does whole phases again.
    """
    row = _current(invocation, execution, task)
    _post(invocation, f"executions/{row.execution_id}/rerun", task=row.key)


@command("cancel", example="conductor cancel 1/crud-api")
@execution_option
@click.argument("task")
def command_cancel(invocation: Invocation, execution: str | None, task: str) -> None:
    """Stop TASK and do not try it again. What needs it can't go on, so the execution pauses.

    The whole execution is ended by `conductor stop --cancel`.
    """
    _post(invocation, f"tasks/{_current(invocation, execution, task).id}/cancel")


def task_of(tx: "Transaction", execution_id: str, named: str) -> "Row[Any]":
    """The task of this key; its phase may be left out where no other has the name."""
    from conductor_app.domain.spelling import closest
    from conductor_app.store import tasks

    rows = tasks.all_current(tx, execution_id)
    found = [row for row in rows if named in (row.key, row.key.partition("/")[2])]
    if len(found) == 1:
        return found[0]
    if found:
        keys = " or ".join(row.key for row in found)
        raise NotFound(f"There are several tasks `{named}`; name {keys}.")
    near = closest(named, [row.key for row in rows])
    meant = f"Did you mean `{near}`?" if near else "See `conductor tasks`."
    raise NotFound(f"There is no task `{named}` in execution {execution_id}. {meant}")


def _current(invocation: Invocation, execution: str | None, named: str) -> "Row[Any]":
    """The task of the execution that can still change. Raises NotFound, Ambiguous."""
    with reading(invocation.settings) as tx:
        return task_of(tx, current_or_named(tx, invocation, execution).id, named)


def _post(invocation: Invocation, path: str, **body: str) -> None:
    from conductor_app.cli.client import running_api

    answer = running_api(invocation.settings).post(path, body)
    sentence = f"{answer.message.rstrip('.')}."
    invocation.output.say(sentence)
    invocation.output.result(answer.data, sentence)


def _all_tasks(
    tx: "Transaction", execution_id: str, filters: dict[str, Any]
) -> list[dict[str, Any]]:
    from conductor_app.views import lists

    rows: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = lists.tasks(tx, execution_id, **filters, limit=PAGE, cursor=cursor)
        rows += page.items
        cursor = page.next_cursor
        if cursor is None:
            return rows
