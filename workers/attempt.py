"""An attempt: worktree, agent, commit, publication, checks, and the outcome to report."""

import math
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Self

from sqlalchemy.exc import DBAPIError

from conductor_app import logs, masking
from conductor_app.catalog import FUNCTION
from conductor_app.domain.outcome import (
    Failed,
    Interrupted,
    Judgement,
    Outcome,
    Report,
    Succeeded,
    Suspended,
    Usage,
)
from conductor_app.domain.workflow import (
    AgentSpec,
    TaskSpec,
    given_checks,
    given_setup,
    headline,
)
from conductor_app.engine import working_time
from conductor_app.engine.attempt_ends import account
from conductor_app.engine.claim import Claim
from conductor_app.engine.generations import before
from conductor_app.errors import ConductorError
from conductor_app.recordings import root_of
from workers import briefing, crash, disk, telemetry, traces
from workers.agents import network
from workers.agents.base import AgentContext, AgentResult, AgentTask, BaseAgent, Connector
from workers.bench import operator_variables
from workers.checks import JudgingCancelled
from workers.connectors import open_connector
from workers.connectors.base import Model
from workers.desk import TaskDesk
from workers.environment import Environment, SetupFailed, prepare, ready
from workers.expectation import expect
from workers.failures import AttemptFailed, FailureKind
from workers.git.errors import GitFailed, SecretsFound, UnfitNames
from workers.git.names import attempt_ref
from workers.held import Held
from workers.introduction import introduce
from workers.mcp.offers import offers_of
from workers.metering import Meter
from workers.resumption import INTERRUPTED, Start, goes_on
from workers.retelling import Work, retell
from workers.sandbox import SandboxUnavailable
from workers.suspension import Suspend
from workers.verdict import Judging, MeansMissing, NotPassed
from workers.workshop import Workshop
from workers.workspace import Repository, Worktree

# How long after its deadline an agent may still come to its end, in seconds: what a connector
# drives stops by itself, and then has its transcript and its bill to close. One in Python gets a
# tenth of its time, not less than the least and not more than that.
GRACE, LEAST_GRACE = 30.0, 2.0


class AttemptLog:
    """An attempt's log, a line at a time; the file is there once something was written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None
        self._masked = masking.Stream()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.write(self._masked.end())
            self._file.close()

    def write(self, line: str) -> None:
        if self._file is None:
            self._file = self._path.open("a", buffering=1, encoding="utf-8")
        self._file.write(self._masked.add(f"{line}\n"))


@dataclass
class _Attempt:
    """One attempt while it runs."""

    workshop: Workshop
    claim: Claim
    held: Held
    spec: TaskSpec
    artifacts: Path
    # What takes the turns; FUNCTION for an agent in Python.
    connector: str
    context: AgentContext | None = None
    judgements: tuple[Judgement, ...] = ()
    # The ref of what it did, if it fails.
    kept: str | None = None

    def judge(self, how: Callable[[Judging], tuple[Judgement, ...]]) -> None:
        """Let the task's checks judge. Raises NotPassed, MeansMissing, JudgingCancelled."""
        judging = Judging(self.workshop, self.claim, self.held, self.spec, self.artifacts)
        try:
            self.judgements = how(judging)
        except NotPassed as failure:
            self.judgements = failure.judgements
            raise

    def usage(self) -> Usage:
        if self.context is None:
            return Usage()
        used = self.context.usage
        return Usage(
            self.context.turns,
            used.input_tokens,
            used.output_tokens,
            used.cache_read_tokens,
            used.cost_nano_usd,
        )


def run(workshop: Workshop, claim: Claim, held: Held) -> Outcome | None:
    """Do the task once; None when it was stopped: drained, or lost (it may have been cancelled)."""
    artifacts = workshop.conductor.settings.places.artifacts / claim.execution_id / claim.attempt_id
    spec = claim.workflow.task(claim.task_key)
    checks = given_checks(spec.checks, claim.inputs)
    title = headline(spec.title, claim.inputs)
    spec = spec.model_copy(update={"checks": checks, "title": title})
    attempt = _Attempt(workshop, claim, held, spec, artifacts, _connector_of(workshop, claim))
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


def _account(attempt: _Attempt) -> None:
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


def _ended(attempt: _Attempt) -> Outcome | None:
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


def _raised(attempt: _Attempt, problem: Exception) -> Failed:
    """What its author looks for: where it raised what, in the attempt's log and in errors.log."""
    where = traces.told(problem)
    # It may have come before there was a log.
    with suppress(OSError), AttemptLog(attempt.artifacts / "log.txt") as log:
        log.write(where)
    message = f"The agent raised {traces.summary(problem)}"
    return Failed(FailureKind.AGENT_ERROR, message, where)


def _out_of_time(attempt: _Attempt) -> Failed:
    detail = working_time.over(attempt.claim.execution_id)
    return Failed(FailureKind.BUDGET_EXHAUSTED, detail, retryable=False)


def _try(attempt: _Attempt) -> Outcome:
    if attempt.claim.files:
        return _with_files(attempt)
    result = _perform(attempt, None, _start(attempt, None) or Start(None))
    _retell(attempt, result)
    if attempt.spec.checks:
        with tempfile.TemporaryDirectory() as empty:
            attempt.judge(lambda judging: judging.empty(Path(empty)))
    return Succeeded(result.summary)


def _with_files(attempt: _Attempt) -> Outcome:
    claim = attempt.claim
    repository = Repository.open(claim.location, attempt.workshop.conductor.settings.home)
    try:
        return _in_worktree(attempt, repository)
    except Exception:
        with suppress(GitFailed):
            attempt.kept = repository.kept(claim.attempt_id)
        raise


def _in_worktree(attempt: _Attempt, repository: Repository) -> Outcome:
    claim = attempt.claim
    start = _start(attempt, repository) or Start(repository.tip(claim.branch))
    base = start.base or ""
    with repository.worktree(claim.attempt_id, base, start.files) as worktree:
        crash.point("attempt.after_worktree")
        try:
            result = _perform(attempt, worktree, start)
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


def _start(attempt: _Attempt, repository: Repository | None) -> Start | None:
    """Where an earlier attempt stopped; None for a fresh start."""
    claim = attempt.claim
    if attempt.connector == FUNCTION or not claim.earlier:
        return None
    return goes_on(claim, attempt.connector, attempt.artifacts.parent, repository)


def _commit(attempt: _Attempt, worktree: Worktree, result: AgentResult) -> str | None:
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
    attempt: _Attempt,
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


def _perform(attempt: _Attempt, worktree: Worktree | None, start: Start) -> AgentResult:
    claim, spec, workshop = attempt.claim, attempt.spec, attempt.workshop
    agent_spec = claim.agent
    assert agent_spec is not None
    attempt.artifacts.mkdir(parents=True, exist_ok=True)
    with AttemptLog(attempt.artifacts / "log.txt") as log:
        connector = _open_connector(attempt, agent_spec)
        earlier = start.earlier
        if earlier is not None and earlier.changed:
            earlier = replace(earlier, remark=INTERRUPTED)
        # First: what it takes is not the agent's time.
        environment = _environment(attempt, worktree, log)
        attempt.context = AgentContext(
            worktree=worktree.path if worktree else None,
            sandbox=workshop.sandbox,
            connector=connector,
            log=log.write,
            cancelled=lambda: attempt.held.stopped() or attempt.held.out_of_time,
            deadline=time.monotonic() + spec.timeout,
            artifacts=attempt.artifacts,
            environment=environment,
            hosts=network.allowed(agent_spec),
            meter=Meter(workshop.patience, workshop.prices, claim),
            desk=TaskDesk(workshop.patience, claim),
            earlier=earlier,
            header=start.header(connector.name if connector else FUNCTION),
            mcp=offers_of(workshop.patience, claim),
        )
        attempt.held.overrun = lambda: _overrun(attempt)
        attempt.held.until = attempt.context.deadline + _grace(attempt)
        if claim.working_left is not None:
            attempt.held.may_work(claim.working_left)
        agent = workshop.agents.resolve(agent_spec)
        task = briefing.task_of(claim, spec)
        if connector is not None:
            told = briefing.surroundings(workshop.patience, claim, worktree)
            task = replace(task, context={**task.context, **told})
        if not agent.can_handle_task(task):
            raise _declined(agent, task)
        if connector is None:
            introduce(workshop, claim, agent)
            expect(workshop.patience, claim, agent, task, log.write)
        with telemetry.agent(claim, connector, attempt.context):
            result = agent.perform_task(task, attempt.context)
        attempt.held.until = math.inf
        # Agents in Python account for themselves in the result, loops in the context.
        attempt.context.usage = attempt.context.usage or result.usage
        return result


def _declined(agent: BaseAgent, task: AgentTask) -> AttemptFailed:
    return AttemptFailed(
        FailureKind.AGENT_ERROR,
        f"{agent.name} says that it can't do the task {task.key} (its can_handle_task returned "
        "false). Give the task to another agent, or mend this one.",
        retryable=False,
    )


def _grace(attempt: _Attempt) -> float:
    if attempt.connector != FUNCTION:
        return GRACE
    return min(GRACE, max(LEAST_GRACE, attempt.spec.timeout / 10))


def _overrun(attempt: _Attempt) -> Report:
    """How it is reported while its agent works on; its own report is refused when that ends.

    What it has used is counted then, and so is missing of one that never ends.
    """
    claim = attempt.claim
    message = (
        f"The agent was not done after {attempt.spec.timeout:g} s, the task's timeout, and does "
        "not stop. Give the task more time, or let the agent look at `context.deadline`."
    )
    with AttemptLog(attempt.artifacts / "log.txt") as log:
        log.write(f"stopped: {message}")
    logs.warning("slot_stuck", name=claim.task_key)
    outcome = Failed(FailureKind.TIMEOUT, message, connector=attempt.connector)
    return Report(claim.job_id, claim.fence, outcome, claim.attempt_id)


def _open_connector(attempt: _Attempt, agent: AgentSpec) -> Connector | None:
    """None for an agent in Python."""
    if attempt.connector == FUNCTION:
        return None
    claim, settings = attempt.claim, attempt.workshop.conductor.settings
    return open_connector(
        attempt.connector,
        workflow=claim.workflow.name,
        task=claim.task_key,
        failures=claim.failures + before(claim.notes),
        recordings=root_of(claim.workflow.name, claim.phase, settings),
        agent=agent,
        settings=settings,
        conversation=claim.task_id,
    )


def _environment(
    attempt: _Attempt, worktree: Worktree | None, log: AttemptLog
) -> Environment | None:
    """What the project's `setup` makes of the branch as it is; None without one.

    Where it can't be made yet the agent works without it: it may be the one who is to mend that.
    Not where a person gave it with the run: raises AttemptFailed, before anything is spent.
    """
    setup = given_setup(attempt.claim.workflow.setup, attempt.claim.inputs)
    if setup is None or worktree is None or not ready(setup, worktree.path):
        return None
    try:
        return prepare(
            setup,
            worktree.path,
            home=attempt.workshop.conductor.settings.home,
            sandbox=attempt.workshop.sandbox,
            variables=operator_variables(),
            cancelled=attempt.held.stopped,
        )
    except SetupFailed as problem:
        if setup.when is not None:
            raise AttemptFailed(
                FailureKind.SETUP_FAILED, problem.message, retryable=False, unspent=True
            ) from problem
        log.write(f"Commands run without the project's environment. {problem.message}")
        return None


def _connector_of(workshop: Workshop, claim: Claim) -> str:
    assert claim.agent is not None
    if not workshop.agents.needs_connector(claim.agent):
        return FUNCTION
    settings = workshop.conductor.settings
    return claim.connector or claim.agent.connector or settings.connector or "replay"
