"""What a check run on the tip means: a milestone or phase is done, or a task is opened again."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from conductor_app.domain.outcome import Judged, Judgement
from conductor_app.domain.states import JobState, MilestoneState, PhaseState, TaskState, Verdict
from conductor_app.domain.workflow_plan import full_key
from conductor_app.engine import generations
from conductor_app.engine.settle import being_mended, block, block_unproven, settle
from conductor_app.store import jobs, phases, records, tasks, workflows
from conductor_app.store.database import Transaction
from conductor_app.store.executions import Execution

# The kind of error that is nobody's failure: a check could not be made.
MEANS_ABSENT = "MEANS_ABSENT"


def judged(tx: Transaction, execution: Execution, job: Row[Any], outcome: Judged) -> list[str]:
    jobs.end(tx, [(job.id, job.fence)], JobState.SUCCEEDED)
    phase = job.payload.get("phase", execution.current_phase)
    records.add_judgements(tx, execution.id, phase, outcome.judgements, job_id=job.id)
    bad = [each for each in outcome.judgements if each.verdict == Verdict.FAILED]
    if "milestone_id" in job.payload:
        _milestone(tx, execution, job.payload["milestone_id"], bad, outcome.commit)
    elif "phase_id" in job.payload:
        _phase(tx, execution, job.payload["phase_id"], bad)
    return settle(tx, execution)


def _milestone(
    tx: Transaction,
    execution: Execution,
    milestone_id: str,
    bad: Sequence[Judgement],
    commit: str | None,
) -> None:
    row = phases.milestone(tx, milestone_id)
    if row is None or row.status != MilestoneState.VALIDATING:
        return
    if not bad:
        phases.move_milestone(
            tx, row, MilestoneState.COMPLETED, completed_at=tx.now, judged_commit=commit
        )
        return
    _tell(tx, execution, row.phase, bad, f"Milestone {row.name}")
    if _absent(bad):
        phases.move_milestone(tx, row, MilestoneState.FAILED)
        _block_unjudged(tx, execution, f"Milestone {row.name}", bad)
        return
    if being_mended(tx, execution, (each.reopens for each in bad)):
        # Another milestone's checks have opened it again: judged once more when that is done.
        phases.move_milestone(tx, row, MilestoneState.PENDING, why=_why(bad))
        return
    task = _to_reopen(tx, execution, row.phase, bad, row.key)
    if task is None or row.rounds >= _rounds_allowed(tx, execution, task):
        phases.move_milestone(tx, row, MilestoneState.FAILED)
        block_unproven(tx, execution, f"Milestone {row.name} fails its checks{_named(bad)}")
        return
    phases.move_milestone(tx, row, MilestoneState.PENDING, why=_why(bad), rounds=row.rounds + 1)
    generations.renew(tx, execution, task, _notes(task, bad))


def _phase(tx: Transaction, execution: Execution, phase_id: str, bad: Sequence[Judgement]) -> None:
    row = phases.current(tx, execution.id, execution.current_phase)
    if row is None or row.id != phase_id or row.status != PhaseState.VALIDATING:
        return
    if not bad:
        phases.change(tx, row.id, verdict="passed")
        return
    _tell(tx, execution, row.number, bad, f"Phase {row.number}")
    if _absent(bad):
        phases.move(tx, row, PhaseState.IN_PROGRESS, why=_why(bad), verdict="failed")
        _block_unjudged(tx, execution, f"Phase {row.number}", bad)
        return
    task = _to_reopen(tx, execution, row.number, bad, None)
    if task is None or row.rounds >= _rounds_allowed(tx, execution, task):
        phases.move(tx, row, PhaseState.IN_PROGRESS, why=_why(bad), verdict="failed")
        block_unproven(tx, execution, f"Phase {row.number} fails its checks{_named(bad)}")
        return
    phases.move(tx, row, PhaseState.IN_PROGRESS, why=_why(bad), rounds=row.rounds + 1)
    generations.renew(tx, execution, task, _notes(task, bad))


def _absent(bad: Sequence[Judgement]) -> list[Judgement]:
    """Those whose means are not there: doing a task again can't bring them."""
    return [each for each in bad if each.absent]


def _block_unjudged(
    tx: Transaction, execution: Execution, what: str, bad: Sequence[Judgement]
) -> None:
    block(
        tx,
        execution,
        f"{what} can't be judged{_named(_absent(bad))}. Way out: provide what is missing where the "
        "workers run, then `conductor start` validates again; a check that is `optional` in the "
        "template is skipped in later runs.",
    )


def _rounds_allowed(tx: Transaction, execution: Execution, task: Row[Any]) -> int:
    return workflows.of_version(tx, execution.workflow_version).task(task.key).retry.max


def _to_reopen(
    tx: Transaction,
    execution: Execution,
    phase: int,
    bad: Sequence[Judgement],
    milestone: str | None,
) -> Row[Any] | None:
    """The task that a failed check names, else the last integrated of the milestone or phase."""
    for each in bad:
        if each.reopens:
            named = tasks.current(tx, execution.id, full_key(phase, each.reopens))
            if named is not None and named.status == TaskState.COMPLETED:
                return named
    done = [
        row
        for row in tasks.all_current(tx, execution.id, phase)
        if row.status == TaskState.COMPLETED and milestone in (None, row.milestone)
    ]
    return max(done, key=lambda row: (row.finished_at, row.position), default=None)


def _tell(
    tx: Transaction, execution: Execution, phase: int, bad: Sequence[Judgement], what: str
) -> None:
    for each in bad:
        records.add_error(
            tx,
            execution.id,
            phase,
            "medium",
            MEANS_ABSENT if each.absent else "CHECK_FAILED",
            f"{what}: {each.name}: {each.message}",
            detail=str(each.evidence.get("log", "")),
        )


def _notes(task: Row[Any], bad: Sequence[Judgement]) -> list[dict[str, Any]]:
    """What the next generation is told; being sent back counts as one more failure."""
    before = generations.before(task.notes) + task.failures + 1
    return [
        {
            "round": 1,
            "before": before,
            "kind": "CHECK_FAILED",
            "message": f"{each.name}: {each.message}",
            "detail": str(each.evidence.get("log", "")),
            "review": each.kind == "rubric",
        }
        for each in bad
    ]


def _why(bad: Sequence[Judgement]) -> str:
    return f"{bad[0].name}: {bad[0].message}"


def _named(bad: Sequence[Judgement]) -> str:
    return f" ({'; '.join(f'{each.name}: {each.message}' for each in bad[:3])})"
