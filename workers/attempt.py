"""An attempt: worktree, agent, commit, publication, checks, and the outcome to report."""

import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from conductor_app import logs
from conductor_app.catalog import FUNCTION
from conductor_app.domain.outcome import Failed, Interrupted, Outcome, Succeeded, Suspended
from conductor_app.domain.workflow import given_checks, headline
from conductor_app.engine import working_time
from conductor_app.engine.attempt_ends import account
from conductor_app.engine.claim import Claim
from conductor_app.errors import ConductorError
from workers import crash, disk, traces
from workers.agents.base import AgentResult
from workers.attempt_log import AttemptLog
from workers.checks import JudgingCancelled
from workers.connectors.base import Model
from workers.failures import AttemptFailed, FailureKind
from workers.git.errors import GitFailed, SecretsFound, UnfitNames
from workers.git.names import attempt_ref
from workers.held import Held
from workers.performing import connector_of, perform
from workers.resumption import Start, goes_on
from workers.retelling import Work, retell
from workers.running_attempt import RunningAttempt
from workers.sandbox import SandboxUnavailable
from workers.suspension import Suspend
from workers.verdict import MeansMissing
from workers.workshop import Workshop
from workers.workspace import Repository, Worktree


def run(workshop: Workshop, claim: Claim, held: Held) -> Outcome | None:
    """Do the task once; None when it was stopped: drained, or lost (it may have been cancelled)."""
    artifacts = workshop.conductor.settings.places.artifacts / claim.execution_id / claim.attempt_id
    spec = claim.workflow.task(claim.task_key)
    checks = given_checks(spec.checks, claim.inputs)
    title = headline(spec.title, claim.inputs)
    spec = spec.model_copy(update={"checks": checks, "title": title})
    attempt = RunningAttempt(workshop, claim, held, spec, artifacts, connector_of(workshop, claim))
    outcome = _ended(attempt)
    if held.overran:
        outcome = None
    level = str(workshop.sandbox.level) if attempt.context is not None else None
    if isinstance(outcome, Succeeded | Failed | Suspended):
        outcome = replace(
            outcome, usage=attempt.usage(), sandbox=level, connector=attempt.connector
        )
    else:
        _account(attempt)
    if isinstance(outcome, Succeeded | Failed):
        outcome = replace(outcome, judgements=attempt.judgements)
    if isinstance(outcome, Failed):
        outcome = replace(outcome, kept=attempt.kept)
    logs.info("attempt_ended", name=claim.task_key, outcome=_told(outcome))
    return outcome


def _account(attempt: RunningAttempt) -> None:
    """What it used, of an attempt whose end says nothing of that."""
    try:
        with attempt.workshop.conductor.transaction() as tx:
            account(tx, attempt.claim.attempt_id, attempt.usage())
    except DBAPIError as problem:
        # Its end matters more, and waits for a database that is away.
        logs.warning("usage_unknown", attempt=attempt.claim.attempt_id, error=problem)


def _told(outcome: Outcome | None) -> str:
    if isinstance(outcome, Failed):
        return f"{outcome.kind}: {outcome.message}"
    if isinstance(outcome, Suspended):
        return f"{outcome.kind}: {outcome.reason}"
    return type(outcome).__name__.lower() if outcome else "stopped"


def _ended(attempt: RunningAttempt) -> Outcome | None:
    """The closed set of ways in which an attempt ends."""
    try:
        return _try(attempt)
    except Suspend as wait:
        return Suspended(
            wait.kind,
            wait.reason,
            wait.seconds,
            bounded=wait.bounded,
            pauses=wait.pauses,
            question=wait.question,
        )
    except AttemptFailed as failure:
        if attempt.held.stopped():
            return None
        if attempt.held.out_of_time:
            return _out_of_time(attempt)
        return Failed(failure.kind, failure.message, failure.detail, failure.retryable)
    except JudgingCancelled:
        return None
    except MeansMissing as problem:
        # No agent can mend that: a person does, and then goes on with the work that is there.
        return Interrupted(problem.message, critical=True)
    except SandboxUnavailable as problem:
        return Failed(FailureKind.SANDBOX_UNAVAILABLE, problem.message, retryable=False)
    except ConductorError as problem:
        logs.error("job_failed", kind="attempt", name=attempt.claim.task_key, error=problem)
        return disk.interrupted(problem, problem.message)
    except Exception as problem:
        # An agent's own fault: it ends this attempt, not the worker.
        logs.error("job_failed", kind="attempt", name=attempt.claim.task_key, error=problem)
        if disk.is_full(problem):
            return disk.interrupted(problem, str(problem))
        return _raised(attempt, problem)


def _raised(attempt: RunningAttempt, problem: Exception) -> Failed:
    """What its author looks for: where it raised what, in the attempt's log and in errors.log."""
    where = traces.told(problem)
    # It may have come before there was a log.
    with suppress(OSError), AttemptLog(attempt.artifacts / "log.txt") as log:
        log.write(where)
    message = f"The agent raised {traces.summary(problem)}"
    return Failed(FailureKind.AGENT_ERROR, message, where)


def _out_of_time(attempt: RunningAttempt) -> Failed:
    detail = working_time.over(attempt.claim.execution_id)
    return Failed(FailureKind.BUDGET_EXHAUSTED, detail, retryable=False)


def _try(attempt: RunningAttempt) -> Outcome:
    if attempt.claim.files:
        return _with_files(attempt)
    result = perform(attempt, None, _start(attempt, None) or Start(None))
    _retell(attempt, result)
    if attempt.spec.checks:
        with tempfile.TemporaryDirectory() as empty:
            attempt.judge(lambda judging: judging.empty(Path(empty)))
    return Succeeded(result.summary)


def _with_files(attempt: RunningAttempt) -> Outcome:
    claim = attempt.claim
    repository = Repository.open(claim.location, attempt.workshop.conductor.settings.home)
    try:
        return _in_worktree(attempt, repository)
    except Exception:
        with suppress(GitFailed):
            attempt.kept = repository.kept(claim.attempt_id)
        raise


def _in_worktree(attempt: RunningAttempt, repository: Repository) -> Outcome:
    claim = attempt.claim
    start = _start(attempt, repository) or Start(repository.tip(claim.branch))
    base = start.base or ""
    with repository.worktree(claim.attempt_id, base, start.files) as worktree:
        crash.point("attempt.after_worktree")
        try:
            result = perform(attempt, worktree, start)
        except (Suspend, AttemptFailed) as end:
            if isinstance(end, Suspend) or attempt.held.stopped():
                # Another attempt goes on with it, also if nothing was changed.
                worktree.keep(claim.attempt_id)
            raise
        crash.point("attempt.after_agent")
        commit = _commit(attempt, worktree, result)
        _retell(attempt, result, worktree, commit)
    attempt.judge(lambda judging: judging.commit(repository, commit or base))
    crash.point("attempt.after_checks")
    return Succeeded(result.summary, commit, repository.tree(commit) if commit else None)


def _start(attempt: RunningAttempt, repository: Repository | None) -> Start | None:
    """Where an earlier attempt stopped; None for a fresh start."""
    claim = attempt.claim
    if attempt.connector == FUNCTION or not claim.earlier:
        return None
    return goes_on(claim, attempt.connector, attempt.artifacts.parent, repository)


def _commit(attempt: RunningAttempt, worktree: Worktree, result: AgentResult) -> str | None:
    """Commit and publish what changed; None when nothing did."""
    if not worktree.changed():
        return None
    claim = attempt.claim
    message = f"{attempt.spec.title}\n\n{result.summary}".strip()
    try:
        commit = worktree.commit(message, trailers(claim, claim.attempt_id))
    except (SecretsFound, UnfitNames) as found:
        raise AttemptFailed(FailureKind.AGENT_ERROR, found.message) from found
    if commit == worktree.base:
        return None
    worktree.publish(attempt_ref(claim.attempt_id))
    return commit


def _retell(
    attempt: RunningAttempt,
    result: AgentResult,
    worktree: Worktree | None = None,
    commit: str | None = None,
) -> None:
    """Of a program's work: the loop writes down its own, as transcript."""
    context = attempt.context
    if context is None or context.connector is None or isinstance(context.connector, Model):
        return
    program = str(result.data.get("program", attempt.connector))
    base = worktree.base if worktree else None
    work = Work(program, result.summary, context.usage, base, commit)
    retell(attempt.artifacts, worktree.git if worktree else None, work)


def trailers(claim: Claim, attempt_id: str) -> dict[str, str]:
    """What marks a task's commit on the execution branch."""
    return {
        "Conductor-Task": claim.task_key or str(claim.payload["task_key"]),
        "Conductor-Attempt": attempt_id,
        "Conductor-Execution": claim.execution_id,
    }
