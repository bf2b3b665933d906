"""What people ask of an execution: pause, resume, cancel, advance, test, deploy an agent."""

from conductor_app.domain.states import (
    ExecutionState,
    MilestoneState,
    PauseReason,
    PhaseState,
    TaskState,
)
from conductor_app.engine import dispatch
from conductor_app.engine.settle import settle
from conductor_app.errors import NotFound, Refused
from conductor_app.queue import SYSTEM_QUEUE, agent_queue
from conductor_app.store import decisions, executions, jobs, phases, records, tasks
from conductor_app.store.database import Transaction
from conductor_app.store.executions import Execution


def locked(tx: Transaction, execution_id: str) -> Execution:
    """The execution under lock; raises NotFound."""
    execution = executions.lock(tx, execution_id)
    if execution is None:
        raise NotFound(f"There is no execution {execution_id}.")
    return execution


def unfinished(tx: Transaction, execution_id: str) -> Execution:
    """The same for one that can still change; raises Refused."""
    execution = locked(tx, execution_id)
    if execution.ended:
        raise Refused(
            f"Execution {execution_id} is {execution.status}; nothing about it changes any more. "
            "Start a new one with `conductor run`."
        )
    if execution.reason == PauseReason.CANCELLING:
        raise Refused(
            f"Execution {execution_id} is being cancelled: {execution.reason_detail} "
            "Start a new one with `conductor run`."
        )
    return execution


def pause(tx: Transaction, execution_id: str, detail: str = "A person paused it.") -> None:
    """Nothing new is claimed; what runs goes on to its end."""
    execution = unfinished(tx, execution_id)
    if execution.status == ExecutionState.RUNNING:
        execution.move(tx, ExecutionState.PAUSED, reason=PauseReason.PERSON, reason_detail=detail)


def resume(tx: Transaction, execution_id: str) -> None:
    """Go on: errors seen are settled, what was judged and found wanting is judged again."""
    execution = unfinished(tx, execution_id)
    if execution.status == ExecutionState.PAUSED:
        records.resolve_errors(tx, execution.id)
        execution.move(tx, ExecutionState.RUNNING, reason=None, reason_detail=None)
        _judge_again(tx, execution)
    _settle(tx, execution)


def _judge_again(tx: Transaction, execution: Execution) -> None:
    for row in phases.milestones_of(tx, execution.id, execution.current_phase):
        if row.status == MilestoneState.FAILED:
            phases.move_milestone(tx, row, MilestoneState.PENDING, rounds=0)
    phase = phases.current(tx, execution.id, execution.current_phase)
    if phase is not None and phase.verdict == "failed":
        phases.change(tx, phase.id, verdict=None, rounds=0)


def cancel(tx: Transaction, execution_id: str) -> None:
    """End it: what waits is cancelled, what runs is stopped and its late report refused.

    Commits that are on their way to the branch get there first, within seconds.
    """
    execution = unfinished(tx, execution_id)
    running = jobs.open_of(tx, execution.id)
    jobs.cancel(tx, [job.id for job in running if job.kind != "integrate"])
    for task in tasks.all_current(tx, execution.id):
        if task.status in (TaskState.WAITING, TaskState.QUEUED, TaskState.ACTIVE):
            records.cancel_active_attempt(tx, task.id)
            decisions.withdraw(tx, task)
            tasks.move(tx, task, TaskState.CANCELLED, finished_at=tx.now)
    execution.change(tx, hold=None)
    if not tasks.in_flight(tx, execution.id):
        execution.move(tx, ExecutionState.CANCELLED, reason=None, reason_detail=None)
        return
    detail = "It ends when the commits that are on their way to the branch are there."
    execution.move(tx, ExecutionState.PAUSED, reason=PauseReason.CANCELLING, reason_detail=detail)


def advance(tx: Transaction, execution_id: str) -> str:
    """Ask for the next phase; what happens then. Raises Refused, naming what is missing."""
    execution = unfinished(tx, execution_id)
    phase = phases.current(tx, execution.id, execution.current_phase)
    assert phase is not None
    missing = _missing(tx, execution)
    if missing:
        raise Refused(
            f"Phase {phase.number} ({phase.name}) can't be left yet: {'; '.join(missing)}.",
            missing=missing,
        )
    phases.change(tx, phase.id, advance_requested=True)
    _settle(tx, execution)
    if phase.status == PhaseState.VALIDATING and phase.verdict == "passed":
        return f"Phase {phase.number} is left."
    return f"Phase {phase.number} is being validated and is left when its checks pass."


def _missing(tx: Transaction, execution: Execution) -> list[str]:
    missing = [
        f"task {row.key} is {row.status}"
        for row in tasks.all_current(tx, execution.id, execution.current_phase)
        if row.status not in (TaskState.COMPLETED, TaskState.SKIPPED)
    ]
    missing += [
        f"milestone {row.name} is {row.status}"
        for row in phases.milestones_of(tx, execution.id, execution.current_phase)
        if row.status != MilestoneState.COMPLETED
    ]
    missing += [f"critical error: {each}" for each in records.critical_errors(tx, execution.id)]
    if execution.status == ExecutionState.PAUSED:
        missing.append(f"the execution is paused ({execution.reason_detail or execution.reason})")
    return missing


def test(tx: Transaction, execution_id: str) -> str:
    """Run the current phase's exit criteria and tests now, whatever its state; the job's id."""
    execution = unfinished(tx, execution_id)
    if not execution.moving:
        raise Refused(
            f"Execution {execution_id} is {execution.status}"
            f"{' for a checkpoint' if execution.hold else ''}; its checks run when it goes on."
        )
    payload = {"phase": execution.current_phase, "asked": True}
    job_id = jobs.add_system(tx, "check", execution.id, payload)
    dispatch.top_up(tx, [SYSTEM_QUEUE])
    return job_id


def validate(tx: Transaction, execution_id: str, milestone_key: str) -> str:
    """Run a milestone's checks now, whatever its state; the job's id."""
    execution = unfinished(tx, execution_id)
    keys = {row.key for row in phases.milestones_of(tx, execution.id)}
    if milestone_key not in keys:
        raise NotFound(f"There is no milestone {milestone_key} in execution {execution_id}.")
    job_id = jobs.add_system(tx, "check", execution.id, {"milestone": milestone_key, "asked": True})
    dispatch.top_up(tx, [SYSTEM_QUEUE])
    return job_id


def deploy(tx: Transaction, execution_id: str, agent: str) -> int:
    """Send every queued task of an agent now, as if nothing had been sent; how many are queued."""
    execution = unfinished(tx, execution_id)
    queue = agent_queue(agent)
    queued = [
        job.id
        for job in jobs.open_of(tx, execution.id, "attempt")
        if job.queue == queue and job.status == "queued"
    ]
    if queued:
        jobs.change(tx, queued, hinted_at=None)
    dispatch.top_up(tx, [queue, *settle(tx, execution)])
    return len(queued)


def _settle(tx: Transaction, execution: Execution) -> None:
    dispatch.top_up(tx, [SYSTEM_QUEUE, *settle(tx, execution), *_queues(tx, execution)])


def _queues(tx: Transaction, execution: Execution) -> list[str]:
    return sorted({job.queue for job in jobs.open_of(tx, execution.id)})
