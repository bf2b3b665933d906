"""Lists of everything: filtered, sorted, in pages. Each returns a Page and raises InvalidInput."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, func, select

from conductor_app.domain.states import (
    AttemptState,
    ExecutionState,
    LessonState,
    MilestoneState,
    PhaseState,
    TaskState,
    Verdict,
)
from conductor_app.engine.dispatch import SILENCE
from conductor_app.store import tables
from conductor_app.store import workflows as stored_workflows
from conductor_app.store.database import Transaction
from conductor_app.views import items
from conductor_app.views.lessons import CATEGORIES, lesson
from conductor_app.views.paging import (
    DEFAULT_LIMIT,
    Filter,
    Order,
    Page,
    Wanted,
    cut,
    narrowed,
    order_of,
)
from conductor_app.views.units import agent_name

SEVERITIES = ("low", "medium", "high", "critical")
ROLES = ("task", "milestone", "exit", "test")

_OF_TASK = tables.tasks.c.key.label("task_key")
TASK_ORDERS: Mapping[str, Order] = {
    "plan": Order((tables.tasks.c.phase, tables.tasks.c.position, tables.tasks.c.id)),
    "key": Order((tables.tasks.c.key, tables.tasks.c.id)),
    "status": Order((tables.tasks.c.status, tables.tasks.c.id)),
    "priority": Order((tables.tasks.c.priority, tables.tasks.c.id)),
    "created": Order((tables.tasks.c.id,)),
}
EXECUTION_ORDERS: Mapping[str, Order] = {
    "created": Order((tables.executions.c.id,)),
    "updated": Order((tables.executions.c.updated_at, tables.executions.c.id)),
    "status": Order((tables.executions.c.status, tables.executions.c.id)),
    "workflow": Order((tables.executions.c.workflow_name, tables.executions.c.id)),
}


def projects(
    tx: Transaction,
    *,
    archived: bool = False,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page:
    statement = select(tables.projects)
    if not archived:
        statement = statement.where(tables.projects.c.archived_at.is_(None))
    return cut(tx, statement, Order((tables.projects.c.id,)), items.project, limit, cursor)


def workflows(
    tx: Transaction,
    *,
    name: Wanted = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page:
    """The versions that executions were started with, the newest first."""
    table = tables.workflow_versions
    order = Order((table.c.created_at, table.c.version), descending=True)
    statement = narrowed(select(table), Filter(table.c.name, name))
    return cut(tx, statement, order, items.workflow, limit, cursor)


def executions(
    tx: Transaction,
    *,
    project_id: str | None = None,
    status: Wanted = None,
    workflow: Wanted = None,
    sort: str = "-created",
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page:
    table = tables.executions
    statement = narrowed(
        select(table, tables.projects.c.name.label("project")).join(tables.projects),
        Filter(table.c.project_id, project_id),
        Filter(table.c.status, status, list(ExecutionState)),
        Filter(table.c.workflow_name, workflow),
    )
    order = order_of(EXECUTION_ORDERS, sort)
    return cut(tx, statement, order, items.execution, limit, cursor)


def phases(
    tx: Transaction,
    execution_id: str,
    *,
    status: Wanted = None,
    history: bool = False,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page:
    """The phases of an execution; with `history` also those that were rolled back."""
    table = tables.phases
    statement = narrowed(
        _of(table, execution_id, history), Filter(table.c.status, status, list(PhaseState))
    )
    order = Order((table.c.number, table.c.generation))
    return cut(tx, statement, order, items.phase, limit, cursor)


def milestones(
    tx: Transaction,
    execution_id: str,
    *,
    phase: Wanted = None,
    status: Wanted = None,
    history: bool = False,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page:
    table = tables.milestones
    statement = narrowed(
        _of(table, execution_id, history),
        Filter(table.c.phase, phase),
        Filter(table.c.status, status, list(MilestoneState)),
    )
    order = Order((table.c.phase, table.c.id))
    return cut(tx, statement, order, items.milestone, limit, cursor)


def tasks(
    tx: Transaction,
    execution_id: str,
    *,
    key: Wanted = None,
    status: Wanted = None,
    phase: Wanted = None,
    agent: Wanted = None,
    milestone: Wanted = None,
    history: bool = False,
    sort: str = "plan",
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page:
    """The tasks of an execution; with `history` also the generations that were replaced.

    One that is `beyond_target` waits for nothing: the execution ends before it.
    """
    table = tables.tasks
    statement = narrowed(
        _of(table, execution_id, history),
        Filter(table.c.key, key),
        Filter(table.c.status, status, list(TaskState)),
        Filter(table.c.phase, phase),
        Filter(table.c.agent, _agents(agent), _known_agents(tx, execution_id) if agent else ()),
        Filter(table.c.milestone, milestone),
    )
    page = cut(tx, statement, order_of(TASK_ORDERS, sort), items.task, limit, cursor)
    executions = tables.executions
    target = tx.value(select(executions.c.target_phase).where(executions.c.id == execution_id))
    for each in page.items:
        each["beyond_target"] = each["phase"] > target
    return page


def attempts(
    tx: Transaction,
    execution_id: str,
    *,
    task: Wanted = None,
    status: Wanted = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page:
    """The attempts of an execution, or of the tasks with these keys (all generations)."""
    table = tables.attempts
    statement = narrowed(
        select(table, _OF_TASK, tables.tasks.c.generation)
        .join(tables.tasks, tables.tasks.c.id == table.c.task_id)
        .where(table.c.execution_id == execution_id),
        Filter(tables.tasks.c.key, task),
        Filter(table.c.status, status, list(AttemptState)),
    )
    order = Order((table.c.started_at, table.c.id))
    return cut(tx, statement, order, items.attempt, limit, cursor)


def checks(
    tx: Transaction,
    execution_id: str,
    *,
    role: Wanted = None,
    subject: Wanted = None,
    verdict: Wanted = None,
    phase: Wanted = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page:
    """Check results with their evidence, the newest first."""
    table = tables.check_results
    statement = narrowed(
        select(table).where(table.c.execution_id == execution_id),
        Filter(table.c.role, role, ROLES),
        Filter(table.c.subject, subject),
        Filter(table.c.verdict, verdict, list(Verdict)),
        Filter(table.c.phase, phase),
    )
    return cut(tx, statement, Order((table.c.id,), True), items.check, limit, cursor)


def checkpoints(
    tx: Transaction, execution_id: str, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> Page:
    table = tables.checkpoints
    statement = select(table).where(table.c.execution_id == execution_id)
    return cut(tx, statement, Order((table.c.id,)), items.checkpoint, limit, cursor)


def events(
    tx: Transaction,
    stream: str,
    *,
    type_: Wanted = None,
    after: int = 0,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page:
    """The events of a stream (`execution:ID`) after this number, in their order."""
    table = tables.events
    statement = narrowed(
        select(table).where(table.c.stream == stream, table.c.number > after),
        Filter(table.c.type, type_),
    )
    return cut(tx, statement, Order((table.c.number,)), items.event, limit, cursor)


def errors(
    tx: Transaction,
    execution_id: str,
    *,
    severity: Wanted = None,
    phase: Wanted = None,
    agent: Wanted = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page:
    """The errors of an execution, the newest first."""
    table = tables.errors
    statement = narrowed(
        select(table).where(table.c.execution_id == execution_id),
        Filter(table.c.severity, severity, SEVERITIES),
        Filter(table.c.phase, phase),
        Filter(table.c.agent, _agents(agent)),
    )
    order = Order((table.c.created_at, table.c.id), descending=True)
    return cut(tx, statement, order, items.error, limit, cursor)


def lessons(
    tx: Transaction,
    project_id: str | None = None,
    *,
    execution_id: str | None = None,
    status: Wanted = None,
    phase: Wanted = None,
    category: Wanted = None,
    agent: Wanted = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page:
    """The lessons of a project, or of all, whatever their state; the newest first."""
    table = tables.lessons
    statement = narrowed(
        select(table),
        Filter(table.c.project_id, project_id),
        Filter(table.c.execution_id, execution_id),
        Filter(table.c.status, status, list(LessonState)),
        Filter(table.c.phase, phase),
        Filter(table.c.category, category, CATEGORIES),
        Filter(table.c.agent, _agents(agent)),
    )
    order = Order((table.c.created_at, table.c.id), descending=True)
    return cut(tx, statement, order, lesson, limit, cursor)


def workers(tx: Transaction, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None) -> Page:
    """`sandbox_level` is how the newest attempt of each was confined, None before the first."""

    def item(row: Row[Any]) -> dict[str, Any]:
        return items.worker(row, tx.now, SILENCE)

    table = tables.workers
    page = cut(tx, select(table), Order((table.c.started_at, table.c.id)), item, limit, cursor)
    levels = _sandbox_levels(tx, [each["id"] for each in page.items])
    for each in page.items:
        each["sandbox_level"] = levels.get(each["id"])
    return page


def _sandbox_levels(tx: Transaction, worker_ids: Sequence[str]) -> dict[str, str]:
    table = tables.attempts
    known = (table.c.worker_id.in_(worker_ids), table.c.sandbox.is_not(None))
    newest = select(func.max(table.c.id)).where(*known).group_by(table.c.worker_id)
    statement = select(table.c.worker_id, table.c.sandbox).where(table.c.id.in_(newest))
    return {row.worker_id: row.sandbox for row in tx.all(statement)}


def _of(table: Any, execution_id: str, history: bool) -> Any:
    statement = select(table).where(table.c.execution_id == execution_id)
    return statement if history else statement.where(table.c.current)


def _known_agents(tx: Transaction, execution_id: str) -> list[str]:
    """Those of its workflow, whether they have a task in it or not."""
    table = tables.executions
    version = tx.value(select(table.c.workflow_version).where(table.c.id == execution_id))
    return sorted(stored_workflows.agents_of(tx, version))


def _agents(wanted: Wanted) -> Wanted:
    """Agents may be asked for as they are shown: `agent-api` is `api`."""
    if wanted is None or isinstance(wanted, int):
        return wanted
    return [
        agent_name(each) for each in ([wanted] if isinstance(wanted, str) else map(str, wanted))
    ]
