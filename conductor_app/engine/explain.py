"""Why a task is not running: every reason in words, each with its way out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, func, select

from conductor_app.catalog import AGENTS
from conductor_app.domain.states import (
    EXECUTION_ENDED,
    NEED_MET,
    AttemptState,
    ExecutionState,
    PauseReason,
    PhaseState,
    TaskState,
)
from conductor_app.engine.advancing import waits_for_a_person
from conductor_app.engine.dispatch import SILENCE
from conductor_app.errors import NotFound
from conductor_app.queue import ISOLATED_QUEUE
from conductor_app.store import decisions, jobs, needs, phases, records, tasks, workflows
from conductor_app.store import workers as worker_rows
from conductor_app.store.database import Transaction
from conductor_app.store.tables import attempts, executions
from conductor_app.store.tables import jobs as jobs_table
from conductor_app.store.tables import tasks as tasks_table

START_WORKERS = "Start workers with `conductor up`"


@dataclass(frozen=True, slots=True)
class Need:
    """A task that must be completed or skipped first."""

    key: str
    state: str


@dataclass(frozen=True)
class Why:
    """A task's state, the reasons for it in words, and those of its needs that are not met."""

    state: str
    sentence: str
    needs: list[Need] = field(default_factory=list)


def why(tx: Transaction, execution_id: str, key: str) -> Why:
    """Why the newest generation of the task is as it is. Raises NotFound."""
    execution = tx.first(select(executions).where(executions.c.id == execution_id))
    if execution is None:
        raise NotFound(f"There is no execution {execution_id}.")
    task = tasks.current(tx, execution_id, key)
    if task is None:
        raise NotFound(
            f"There is no task {key} in execution {execution_id}; see `conductor tasks`."
        )
    if task.status not in (TaskState.WAITING, TaskState.QUEUED):
        return Why(task.status, _of_state(tx, execution, task))
    needs = _unmet(tx, task)
    return Why(task.status, " ".join(_obstacles(tx, execution, task, needs)), needs)


def _of_state(tx: Transaction, execution: Row[Any], task: Row[Any]) -> str:
    match task.status:
        case TaskState.ACTIVE if execution.status == ExecutionState.PAUSED:
            return f"{_paused(execution)} {_at_work(tx, task)}"
        case TaskState.ACTIVE:
            return _at_work(tx, task)
        case TaskState.INTEGRATING:
            return "Its work is done and checked; its commit is being brought onto the branch."
        case TaskState.COMPLETED if task.commit:
            return f"It was completed at {_time(task.finished_at)} with commit {task.commit[:12]}."
        case TaskState.COMPLETED:
            return f"It was completed at {_time(task.finished_at)} and changed no file."
        case TaskState.SKIPPED:
            said = f": {task.summary}" if task.summary else ""
            return f"A person skipped it{said}. What needs it takes its need as met."
        case TaskState.FAILED:
            said = f"{task.error_kind}: {task.error_message} {_left(tx, task)}"
            return said + _way_out(execution, task)
        case _:
            return f"Nothing of it runs any more. {_way_out(execution, task)}"


def _left(tx: Transaction, task: Row[Any]) -> str:
    """What the last attempt did, if it changed a file."""
    last = next(iter(records.attempts_at(tx, task.id)), None)
    if last is None or last.kept is None:
        return ""
    return f"Its work is kept: `git show {last.kept}`. "


def _way_out(execution: Row[Any], task: Row[Any]) -> str:
    if execution.status in EXECUTION_ENDED:
        return _over(execution)
    return f"Way out: {_retry_or_skip(task.key)}"


def _over(execution: Row[Any]) -> str:
    return (
        f"The execution is {execution.status}, so nothing of it is started any more. "
        f"Way out: start {execution.workflow_name} anew with `conductor run`."
    )


def _at_work(tx: Transaction, task: Row[Any]) -> str:
    attempt = tx.first(
        select(attempts).where(attempts.c.task_id == task.id, attempts.c.status == "active")
    )
    if attempt is None:
        return "A worker has it."
    since = f"since {_time(attempt.started_at)} (attempt {attempt.number})"
    if attempt.worker_id in {row.id for row in worker_rows.fresh(tx, SILENCE)}:
        return f"Worker {attempt.worker_id} has been at it {since}."
    return (
        f"Worker {attempt.worker_id} had it {since} and is not heard of any more. Another worker "
        "gets it, once one is up and the lease is over."
    )


def _unmet(tx: Transaction, task: Row[Any]) -> list[Need]:
    statement = select(tasks_table.c.key, tasks_table.c.status).where(
        tasks_table.c.execution_id == task.execution_id,
        tasks_table.c.key.in_(needs.of(tx, task.id)),
        tasks_table.c.current,
    )
    rows = tx.all(statement.order_by(tasks_table.c.key))
    return [Need(row.key, row.status) for row in rows if row.status not in NEED_MET]


def _obstacles(
    tx: Transaction, execution: Row[Any], task: Row[Any], needs: Sequence[Need]
) -> Iterator[str]:
    """The reasons, the most general first."""
    if execution.status in EXECUTION_ENDED:
        yield _over(execution)
        return
    if task.phase > execution.target_phase:
        yield (
            f"This execution ends with phase {execution.target_phase}, and the task is of phase "
            f"{task.phase}. Way out: a new execution that goes so far."
        )
        return
    if execution.status == ExecutionState.PAUSED:
        yield _paused(execution)
    if task.phase > execution.current_phase:
        yield _not_begun(tx, execution, task)
    if execution.hold is not None:
        yield _held(tx, execution)
    if needs:
        yield _waits_for(needs)
    asked = decisions.pending(tx, task.id)
    if asked is not None:
        yield _undecided(asked)
    if execution.status == ExecutionState.PAUSED or execution.hold is not None:
        return
    if task.status == TaskState.QUEUED:
        yield _queued(tx, task)
    elif not needs and asked is None and task.phase == execution.current_phase:
        yield _limited(tx, execution, task)


def _paused(execution: Row[Any]) -> str:
    detail = (execution.reason_detail or execution.reason or "").rstrip(".")
    if execution.reason == PauseReason.BLOCKED:
        return f"The execution is paused: {detail}."
    return f"The execution is paused: {detail}. Way out: `conductor start`."


def _not_begun(tx: Transaction, execution: Row[Any], task: Row[Any]) -> str:
    phase = phases.current(tx, execution.id, execution.current_phase)
    assert phase is not None
    begun = f"Phase {task.phase} has not begun: phase {phase.number} ({phase.name}) comes first"
    if phase.status == PhaseState.VALIDATING:
        if waits_for_a_person(execution, phase):
            return f"{begun} and has passed. Way out: `conductor advance`."
        return f"{begun} and is being validated."
    if phase.open_tasks == 0:
        return f"{begun}; its tasks are done, its milestones and checks not all."
    return f"{begun}, with {phase.open_tasks} of {phase.total_tasks} tasks still open."


def _held(tx: Transaction, execution: Row[Any]) -> str:
    job = jobs.get(tx, execution.hold)
    if job is None:
        return f"It waits for job {execution.hold}."
    if job.status == "active":
        return f"A {job.kind} comes first, which worker {job.worker_id} is carrying out."
    return f"A {job.kind} comes first. {_sending(tx, job)}"


def _waits_for(needs: Sequence[Need]) -> str:
    listed = ", ".join(f"{each.key} ({each.state})" for each in needs[:8])
    more = f" and {len(needs) - 8} more" if len(needs) > 8 else ""
    stuck = [each.key for each in needs if each.state in (TaskState.FAILED, TaskState.CANCELLED)]
    said = f"It waits for {listed}{more}."
    if stuck:
        said += f" Way out: {_retry_or_skip(stuck[0])}"
    return said


def _retry_or_skip(key: str) -> str:
    return f"`conductor retry {key}` or `conductor skip {key} --reason WHY`."


def _undecided(asked: Row[Any]) -> str:
    choice = f" ({' or '.join(asked.options)})" if asked.options else ""
    return (
        f"Its agent asks: {asked.question}{choice} Way out: `conductor decide {asked.id} ANSWER`."
    )


def _limited(tx: Transaction, execution: Row[Any], task: Row[Any]) -> str:
    """Ready and not queued: a limit on concurrency is reached, or it happens this moment."""
    flying = tasks.in_flight(tx, execution.id)
    total = sum(flying.values())
    if execution.concurrency is not None and total >= execution.concurrency:
        return (
            f"It is ready; the execution has {total} {_plural('task', total)} at a time (its "
            f"limit is {execution.concurrency}), and one must end first."
        )
    workflow = workflows.of_version(tx, execution.workflow_version)
    limit = workflow.agent(task.agent, AGENTS).concurrency
    of_agent = flying.get(task.agent, 0)
    if limit is not None and of_agent >= limit:
        return (
            f"It is ready; agent-{task.agent} has {of_agent} {_plural('task', of_agent)} at a "
            f"time (its limit is {limit}), and one must end first."
        )
    return "It is ready and is queued at once, with the next tick at the latest."


def _queued(tx: Transaction, task: Row[Any]) -> str:
    job = tx.first(
        select(jobs_table)
        .where(jobs_table.c.task_id == task.id, jobs_table.c.status == "queued")
        .order_by(jobs_table.c.created_at.desc())
        .limit(1)
    )
    if job is None:
        return "Its job is being made; the next tick does it at the latest."
    said = _sending(tx, job)
    return f"{said} `conductor retry {task.key}` does it now." if job.not_before > tx.now else said


def _sending(tx: Transaction, job: Row[Any]) -> str:
    """Why a queued job is not taken yet."""
    if job.not_before > tx.now:
        wait = (job.not_before - tx.now) / 1000
        if held_up := _held_up(tx, job.task_id):
            reason = (held_up.error_message or "").rstrip(".")
            return f"It goes on at {_time(job.not_before)}, in {wait:.0f} s: {reason}."
        again = f", after {job.failures} failed {_plural('attempt', job.failures)}"
        said = f"It is tried again at {_time(job.not_before)}, in {wait:.0f} s"
        return f"{said}{again if job.failures else ''}."
    takers = [row for row in worker_rows.fresh(tx, SILENCE) if job.queue in row.queues]
    if not takers:
        return f"It is queued, and no worker takes the queue {job.queue}. {START_WORKERS}."
    slots = sum(row.slots for row in takers)
    busy = _busy(tx, takers)
    alone = " After two workers were lost with it, it runs alone." * (job.queue == ISOLATED_QUEUE)
    if busy >= slots:
        return (
            f"It is queued; {slots} {_plural('slot', slots)} for the queue {job.queue} "
            f"{'are' if slots != 1 else 'is'} taken, and one must become free.{alone}"
        )
    if job.hinted_at is not None:
        return f"It was sent at {_time(job.hinted_at)}; a free worker takes it now.{alone}"
    return f"It is queued; others go first, and its message goes out as they are taken.{alone}"


def _held_up(tx: Transaction, task_id: str | None) -> Row[Any] | None:
    """The last attempt at the task, if that one waits or its surroundings interrupted it."""
    last = next(iter(records.attempts_at(tx, task_id)), None) if task_id else None
    if last is None or last.status not in (AttemptState.SUSPENDED, AttemptState.RELEASED):
        return None
    return last if last.error_kind else None


def _busy(tx: Transaction, workers: Sequence[Row[Any]]) -> int:
    """How many jobs these workers have, of all the queues that they take."""
    queues = sorted({queue for row in workers for queue in row.queues})
    statement = select(func.count()).where(
        jobs_table.c.queue.in_(queues),
        jobs_table.c.status == "active",
        jobs_table.c.worker_id.in_([row.id for row in workers]),
    )
    return int(tx.value(statement))


def _time(at: int) -> str:
    return datetime.fromtimestamp(at // 1000, UTC).strftime("%H:%M:%S UTC on %-d %b %Y")


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"
