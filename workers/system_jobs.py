"""Conductor's own jobs: check runs, integrations, checkpoints, rollbacks, reverts."""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conductor_app import logs, masking
from conductor_app.domain.outcome import (
    Checkpointed,
    Conflicted,
    Integrated,
    Interrupted,
    Judged,
    Outcome,
    Released,
    RolledBack,
    Suspended,
    Unreadable,
)
from conductor_app.domain.workflow import Check, FileCheck, PythonCheck, given_checks
from conductor_app.engine.claim import Claim
from conductor_app.errors import ConductorError
from conductor_app.store import executions, jobs
from conductor_app.views import state
from conductor_app.wholefile import write_whole
from workers import disk, traces
from workers.attempt import trailers
from workers.bench import Bench, open_bench, operator_variables
from workers.checks import JudgingCancelled, judge
from workers.failures import AttemptFailed, FailureKind
from workers.git.errors import Superseded, UnknownRevision
from workers.git.integration import AlreadyIntegrated, Stale
from workers.git.merging import Conflict
from workers.git.standing import RESTORES, REVERTS, standing
from workers.held import Held
from workers.hooks import HookContext, hooks, run_hook
from workers.review import Reviewer
from workers.suspension import Suspend, waiting_for
from workers.verdict import judgement
from workers.workshop import Workshop
from workers.workspace import Repository

# A reviewer that fails so may do better the next time; it is asked so often.
_PASSING = (
    FailureKind.TEMPORARY_FAILURE,
    FailureKind.TIMEOUT,
    FailureKind.NO_RESULT,
)
REVIEWS = 3


def run(workshop: Workshop, claim: Claim, held: Held) -> Outcome | None:
    """Carry the job out; what the infrastructure breaks is tried again later."""
    work = KINDS[claim.kind]
    try:
        return work(workshop, claim, held)
    except (JudgingCancelled, Superseded):
        return None
    except AttemptFailed as failure:
        return None if held.stopped() else _unreviewed(claim, failure)
    except ConductorError as problem:
        logs.error("job_failed", kind=claim.kind, name=claim.job_id, error=problem)
        return disk.interrupted(problem, problem.message)
    except Exception as problem:
        # Unreported it would begin again whenever its lease ends, and pay for its reviews again.
        logs.error("job_failed", kind=claim.kind, name=claim.job_id, error=problem)
        return disk.interrupted(problem, _met(claim.kind, problem))


def _met(kind: str, problem: Exception) -> str:
    return f"The {kind} job met {traces.summary(problem)}"


def check(workshop: Workshop, claim: Claim, held: Held) -> Outcome:
    """Judge the integrated tip: a milestone's checks, or a phase's exit criteria and tests."""
    asked = _asked(claim)
    with ExitStack() as stack:
        bench = _bench(stack, workshop, claim, held)
        # All at once: what a check of a file sees, no command of another has touched.
        results = judge([each.check for each in asked], bench)
    judgements = [
        judgement(result, each.role, each.subject)
        for each, result in zip(asked, results, strict=True)
    ]
    return Judged(tuple(judgements), bench.commit or None)


def _unreviewed(claim: Claim, failure: AttemptFailed) -> Suspended | Interrupted:
    """There is no verdict, which is nobody's failure but the reviewer's: it is asked again.

    It waits as an attempt does. A person sees to it where asking again can't help, or did not.
    """
    name = claim.payload.get("milestone") or f"phase {claim.phase}"
    logs.warning("no_review", name=name, kind=failure.kind, error=failure, **failure.of_the_call)
    if wait := _wait(failure):
        return Suspended(
            wait.kind, wait.reason, wait.seconds, bounded=wait.bounded, pauses=wait.pauses
        )
    tries = claim.fence - claim.payload.get("waits", 0)
    may_help = failure.retryable and failure.kind in _PASSING and tries < REVIEWS
    return Interrupted(
        f"There is no review, which says nothing about the work. {failure.message}",
        detail=failure.detail,
        critical=not may_help,
    )


def _wait(failure: AttemptFailed) -> Suspend | None:
    """For a limit's end, for money, or for as long as the provider asks; else it is no wait."""
    lasts = failure.kind in (FailureKind.API_LIMIT, FailureKind.BUDGET_EXHAUSTED)
    return waiting_for(failure) if lasts or failure.retry_after is not None else None


@dataclass(frozen=True)
class _Asked:
    role: str
    subject: str
    check: Check


def _asked(claim: Claim) -> list[_Asked]:
    if "milestone" in claim.payload:
        key = claim.payload["milestone"]
        spec = claim.workflow.milestone(key)
        specs: list[Check] = list(given_checks(spec.checks, claim.inputs))
        if spec.function:
            specs.append(PythonCheck(kind="python", name=spec.name, function=spec.function))
        return [_Asked("milestone", key, each) for each in specs]
    phase = claim.workflow.phase(claim.payload["phase"])
    subject = f"phase/{phase.number}"
    artifacts = [
        FileCheck(kind="file", name=f"Artifact {path}", path=path)
        for path in phase.artifacts.required
    ]
    criteria = given_checks(phase.exit_criteria, claim.inputs)
    tests = given_checks(phase.tests, claim.inputs)
    return [
        *(_Asked("exit", subject, each) for each in (*artifacts, *criteria)),
        *(_Asked("test", subject, each) for each in tests),
    ]


def _bench(stack: ExitStack, workshop: Workshop, claim: Claim, held: Held) -> Bench:
    settings = workshop.conductor.settings
    common: dict[str, Any] = {
        "workflow": claim.workflow,
        "sandbox": workshop.sandbox,
        "home": settings.home,
        "artifacts": settings.places.artifacts / claim.execution_id / claim.job_id,
        "variables": operator_variables(),
        "inputs": claim.inputs,
        "cancelled": held.stopped,
        "reviewer": Reviewer(workshop, claim, held),
    }
    if claim.uses_git:
        repository = _repository(workshop, claim)
        return stack.enter_context(open_bench(repository, repository.tip(claim.branch), **common))
    empty = stack.enter_context(tempfile.TemporaryDirectory())
    bench = Bench(checkout=Path(empty), commit="", tree="", **common)
    stack.callback(bench.close)
    return bench


def integrate_job(workshop: Workshop, claim: Claim, held: Held) -> Outcome | None:
    """Finish what a winner that died had begun."""
    return integrate(
        workshop,
        claim,
        held,
        commit=claim.payload["commit"],
        attempt_id=claim.payload["attempt_id"],
    )


def integrate(
    workshop: Workshop, claim: Claim, held: Held, *, commit: str, attempt_id: str
) -> Outcome | None:
    """Put the attempt's commit on the execution branch; None when that is not ours any more."""
    try:
        found = _repository(workshop, claim).integrate(
            claim.branch,
            commit,
            base=f"{commit}^",
            trailers=trailers(claim, attempt_id),
            still_valid=lambda: _still_valid(workshop, claim.execution_id, held),
        )
    except UnknownRevision as problem:
        return Unreadable(problem.message)
    except ConductorError as problem:
        logs.error("job_failed", kind="integrate", name=held.job_id, error=problem)
        return disk.interrupted(problem, problem.message)
    except OSError as problem:
        logs.error("job_failed", kind="integrate", name=held.job_id, error=problem)
        return disk.interrupted(problem, _met("integrate", problem))
    match found:
        case Conflict():
            return Conflicted(_told(found))
        case Stale():
            # Held back by a rerun of something else: it comes home afterwards.
            return Released() if _fence_stands(workshop, held) else None
        case AlreadyIntegrated():
            return Integrated(found.commit, found.tip)
        case _:
            return Integrated(found.tip, found.tip)


def _still_valid(workshop: Workshop, execution_id: str, held: Held) -> bool:
    """Whether the fence still stands and no rollback or rerun holds the branch."""
    free = workshop.patience.read(lambda tx: executions.hold_of(tx, execution_id)) is None
    return free and _fence_stands(workshop, held)


def _fence_stands(workshop: Workshop, held: Held) -> bool:
    job = workshop.patience.read(lambda tx: jobs.get(tx, held.job_id))
    return job is not None and job.status == "active" and bool(job.fence == held.fence)


def checkpoint(workshop: Workshop, claim: Claim, held: Held) -> Outcome:
    """Make the branch if there is none, call the hooks, tag the tip."""
    entering, leaving = claim.payload["entering"], claim.payload["leaving"]
    commit = tag = None
    repository = _repository(workshop, claim) if claim.uses_git else None
    if repository is not None:
        if leaving is None:
            repository.create_branch(claim.branch, claim.base_commit or repository.resolve("HEAD"))
        commit = repository.tip(claim.branch)
        tag = f"{claim.branch}-before-phase-{entering}-{claim.job_id[-6:].lower()}"
        repository.tag(tag, commit)
    backup(workshop, claim, f"before-phase-{entering}")
    return Checkpointed(commit, tag or "", _call_hooks(claim, entering, leaving, commit))


def backup(workshop: Workshop, claim: Claim, moment: str) -> None:
    """Keep the execution's state as it is now, for people to look back at."""
    kept = workshop.patience.read(lambda tx: state.state(tx, claim.execution_id))
    folder = workshop.conductor.settings.places.backups / claim.execution_id
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"{moment}-{claim.job_id}.json", masking.words(state.text(kept)))


def _call_hooks(
    claim: Claim, entering: int, leaving: int | None, commit: str | None
) -> dict[str, Any]:
    registered = hooks()
    called: dict[str, Any] = {}
    phases = claim.workflow.phases
    for number, names in (
        (leaving, phases[leaving].hooks.on_end if leaving is not None else ()),
        (entering, phases[entering].hooks.on_start if entering < len(phases) else ()),
    ):
        for name in names:
            context = HookContext(claim.execution_id, number or 0, commit, log=_log_hook)
            called[name] = run_hook(name, context, registered)
    return called


def _log_hook(line: str) -> None:
    logs.info("hook", line=line)


def rollback(workshop: Workshop, claim: Claim, held: Held) -> Outcome:
    """Give the branch the checkpoint's tree again, with a new commit."""
    backup(workshop, claim, "before-rollback")
    tip = _repository(workshop, claim).revert_to_tree(
        claim.branch,
        claim.payload["commit"],
        f"Roll back to the beginning of phase {claim.payload['to']}",
        {**_own_trailers(claim), RESTORES: claim.payload["commit"]},
        still_valid=lambda: _fence_stands(workshop, held),
    )
    return RolledBack(tip)


def revert(workshop: Workshop, claim: Claim, held: Held) -> Outcome:
    """Take back what tasks that are done again have brought to the branch, with a new commit."""
    backup(workshop, claim, "before-rerun")
    repository = _repository(workshop, claim)
    assert claim.base_commit is not None
    commits = standing(repository.log(claim.branch, claim.base_commit), claim.payload["tasks"])
    if not commits:
        return RolledBack(repository.tip(claim.branch))
    found = repository.revert_commits(
        claim.branch,
        commits,
        f"Take back {claim.payload['task']} and what builds on it, to be done again",
        {**_own_trailers(claim), REVERTS: " ".join(commits)},
        still_valid=lambda: _fence_stands(workshop, held),
    )
    if isinstance(found, Conflict):
        return Conflicted(_told(found))
    return RolledBack(found)


def _own_trailers(claim: Claim) -> dict[str, str]:
    return {"Conductor-Job": claim.job_id, "Conductor-Execution": claim.execution_id}


def _told(conflict: Conflict) -> str:
    return f"Files: {', '.join(conflict.files)}\n{conflict.detail}"


def _repository(workshop: Workshop, claim: Claim) -> Repository:
    return Repository.open(claim.location, workshop.conductor.settings.home)


KINDS: dict[str, Callable[[Workshop, Claim, Held], Outcome | None]] = {
    "check": check,
    "integrate": integrate_job,
    "checkpoint": checkpoint,
    "rollback": rollback,
    "revert": revert,
}
