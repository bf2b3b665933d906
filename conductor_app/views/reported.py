"""What a report is made of: an execution's rows, read once, by what they belong to."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select

from conductor_app import recordings
from conductor_app.catalog import AGENTS
from conductor_app.store import phases, tables, tasks, workflows
from conductor_app.store.database import Transaction
from conductor_app.views import connectors
from conductor_app.views.units import iso

Item = dict[str, Any]


@dataclass(frozen=True)
class Reported:
    """The rows; attempts by task key (all generations), check results by what was judged."""

    phases: Mapping[int, Row[Any]]
    milestones: Sequence[Row[Any]]
    tasks: Sequence[Row[Any]]
    # Tasks of all generations whose work is on the branch, in the order of their ends.
    committed: Sequence[Row[Any]]
    attempts: Mapping[str, Sequence[Row[Any]]]
    results: Mapping[tuple[str, str], Sequence[Row[Any]]]
    of_attempt: Mapping[str, Sequence[Row[Any]]]
    checkpoints: Sequence[Row[Any]]
    errors: Sequence[Row[Any]]
    lesson_ids: frozenset[str]
    connectors: Mapping[int, list[str]]
    # What works for an agent in a phase, where an attempt does not say so itself.
    connector_of: Callable[[int, str], str]
    # Whether replay has all it needs for the phase.
    recorded: Mapping[int, bool]

    def judged(self, role: str, subject: str) -> list[Item]:
        """The evidence of the newest run that judged this."""
        rows = self.results.get((role, subject), ())
        return [evidence(row) for row in rows if row.job_id == rows[-1].job_id]

    def replayed_attempts(self) -> set[str]:
        """The ids of those whose turns came from recordings."""
        agents = {row.key: (row.phase, row.agent) for row in self.tasks}
        return {
            each.id
            for key, tries in self.attempts.items()
            for each in tries
            if (each.connector or self.connector_of(*agents[key])) == connectors.REPLAY
        }

    def judged_attempt(self, attempt_id: str) -> list[Item]:
        return [evidence(row) for row in self.of_attempt.get(attempt_id, ())]


def evidence(row: Row[Any]) -> Item:
    """A check result with the facts that prove it; `log` is the end of its output."""
    known = row.evidence
    return {
        "id": row.id,
        "name": row.name,
        "kind": row.kind,
        "verdict": row.verdict,
        "message": row.message,
        "command": known.get("command"),
        "exit_code": known.get("exit_code"),
        "seconds": known.get("duration"),
        "commit": known.get("commit"),
        "tree": known.get("tree"),
        "log_path": known.get("log_path"),
        "at": iso(row.created_at),
    }


def read(
    tx: Transaction,
    execution: Row[Any],
    default_connector: str,
    recorded: Collection[str] | None,
) -> Reported:
    id_ = execution.id
    results: dict[tuple[str, str], list[Row[Any]]] = {}
    of_attempt: dict[str, list[Row[Any]]] = {}
    for row in _all(tx, tables.check_results, id_):
        results.setdefault((row.role, row.subject), []).append(row)
        if row.attempt_id:
            of_attempt.setdefault(row.attempt_id, []).append(row)
    return Reported(
        phases={row.number: row for row in phases.all_current(tx, id_)},
        milestones=phases.milestones_of(tx, id_),
        tasks=tasks.all_current(tx, id_),
        committed=_committed(tx, id_),
        attempts=_attempts(tx, id_),
        results=results,
        of_attempt=of_attempt,
        checkpoints=_all(tx, tables.checkpoints, id_),
        errors=_all(tx, tables.errors, id_),
        lesson_ids=frozenset(row.id for row in _all(tx, tables.lessons, id_)),
        connectors=connectors.of_phases(tx, execution, default_connector),
        connector_of=connectors.chooser(tx, execution, default_connector),
        recorded=_recorded(tx, execution, recorded),
    )


def _all(tx: Transaction, table: Any, execution_id: str) -> Sequence[Row[Any]]:
    return tx.all(select(table).where(table.c.execution_id == execution_id).order_by(table.c.id))


def _committed(tx: Transaction, execution_id: str) -> Sequence[Row[Any]]:
    table = tables.tasks
    return tx.all(
        select(table)
        .where(table.c.execution_id == execution_id, table.c.commit.is_not(None))
        .order_by(table.c.finished_at, table.c.position, table.c.id)
    )


def _attempts(tx: Transaction, execution_id: str) -> dict[str, list[Row[Any]]]:
    table = tables.attempts
    found: dict[str, list[Row[Any]]] = {}
    statement = (
        select(table, tables.tasks.c.key.label("task_key"), tables.tasks.c.generation)
        .join(tables.tasks, tables.tasks.c.id == table.c.task_id)
        .where(table.c.execution_id == execution_id)
        .order_by(table.c.started_at, table.c.id)
    )
    for row in tx.all(statement):
        found.setdefault(row.task_key, []).append(row)
    return found


def _recorded(
    tx: Transaction, execution: Row[Any], recorded: Collection[str] | None
) -> dict[int, bool]:
    """Whether each phase could be replayed: every task recorded, or done by a Python function."""
    workflow = workflows.of_version(tx, execution.workflow_version)
    known = recordings.recorded_tasks(workflow.name) if recorded is None else recorded
    agents = workflow.all_agents(AGENTS)
    return {
        phase.number: all(
            agents[task.agent].function or f"{phase.number}/{task.key}" in known
            for task in phase.tasks
        )
        for phase in workflow.phases
    }
