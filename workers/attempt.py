"""An attempt: worktree, agent, commit, publication, checks, and the outcome to report."""

import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

from sqlalchemy.exc import DBAPIError

from conductor_app import logs
from conductor_app.catalog import FUNCTION
from conductor_app.domain.outcome import (
    Failed,
    Interrupted,
    Judgement,
    Outcome,
    Succeeded,
    Usage,
)
from conductor_app.domain.states import Verdict
from conductor_app.domain.workflow import FileCheck, TaskSpec, given_checks, render
from conductor_app.engine import working_time
from conductor_app.engine.attempt_ends import account
from conductor_app.engine.claim import Claim
from conductor_app.errors import ConductorError
from conductor_app.recordings import BUILT_IN
from workers import crash, disk
from workers.agents import network
from workers.agents.base import AgentContext, AgentResult, AgentTask
from workers.bench import Bench, open_bench, operator_variables
from workers.checks import CheckResult, JudgingCancelled, judge
from workers.connectors import open_connector
from workers.environment import Environment, SetupFailed, prepare, ready
from workers.failures import AttemptFailed, FailureKind
from workers.git.names import attempt_ref
from workers.held import Held
from workers.metering import Meter
from workers.sandbox import SandboxUnavailable
from workers.workspace import Repository, Worktree

if TYPE_CHECKING:
    from workers.process import WorkerProcess

# What failed logs tell the next attempt, in characters.
LOG_LENGTH = 4_000
# How long after its deadline an agent may still come to its end, in seconds.
GRACE = 30.0


class AttemptLog:
    """An attempt's log, a line at a time; the file is there once something was written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, line: str) -> None:
        if self._file is None:
            self._file = self._path.open("a", buffering=1, encoding="utf-8")
        print(line, file=self._file)


@dataclass
class _Attempt:
    """One attempt while it runs."""

    process: "WorkerProcess"
    claim: Claim
    held: Held
    spec: TaskSpec
    artifacts: Path
    context: AgentContext | None = None
    connector: str | None = None
    judgements: tuple[Judgement, ...] = ()

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


def run(process: "WorkerProcess", claim: Claim, held: Held) -> Outcome | None:
    """Do the task once; None when it was stopped: drained, or lost (it may have been cancelled)."""
    artifacts = process.conductor.settings.places.artifacts / claim.execution_id / claim.attempt_id
    spec = claim.workflow.task(claim.task_key)
    spec = spec.model_copy(update={"checks": given_checks(spec.checks, claim.inputs)})
    attempt = _Attempt(process, claim, held, spec, artifacts)
    outcome = _ended(attempt)
    level = str(process.sandbox.level) if attempt.context is not None else None
    if isinstance(outcome, Succeeded | Failed):
        outcome = replace(
            outcome,
            usage=attempt.usage(),
            judgements=attempt.judgements,
            sandbox=level,
            connector=attempt.connector,
        )
    else:
        _account(attempt)
    logs.info("attempt_ended", name=claim.task_key, outcome=_told(outcome))
    return outcome


def _account(attempt: _Attempt) -> None:
    """What it used, of an attempt whose end says nothing of that."""
    try:
        with attempt.process.conductor.transaction() as tx:
            account(tx, attempt.claim.attempt_id, attempt.usage())
    except DBAPIError as problem:
        # Its end matters more, and waits for a database that is away.
        logs.warning("usage_unknown", attempt=attempt.claim.attempt_id, error=problem)


def _told(outcome: Outcome | None) -> str:
    if isinstance(outcome, Failed):
        return f"{outcome.kind}: {outcome.message}"
    return type(outcome).__name__.lower() if outcome else "stopped"


def _ended(attempt: _Attempt) -> Outcome | None:
    """The closed set of ways in which an attempt ends."""
    try:
        return _try(attempt)
    except AttemptFailed as failure:
        if attempt.held.stopped():
            return None
        if attempt.held.out_of_time:
            return _out_of_time(attempt)
        return Failed(failure.kind, failure.message, failure.detail, failure.retryable)
    except JudgingCancelled:
        return None
    except SandboxUnavailable as problem:
        return Failed(FailureKind.SANDBOX_UNAVAILABLE, problem.message, retryable=False)
    except ConductorError as problem:
        logs.error("job_failed", kind="attempt", name=attempt.claim.task_key, error=problem)
        return Interrupted(problem.message, critical=disk.is_full(problem))
    except Exception as problem:
        # An agent's own fault: it ends this attempt, not the worker.
        logs.error("job_failed", kind="attempt", name=attempt.claim.task_key, error=problem)
        if disk.is_full(problem):
            return Interrupted(disk.sentence(problem), critical=True)
        message = f"The agent raised {type(problem).__name__}: {problem}"
        return Failed(FailureKind.AGENT_ERROR, message)


def _out_of_time(attempt: _Attempt) -> Failed:
    detail = working_time.over(attempt.claim.execution_id)
    return Failed(FailureKind.BUDGET_EXHAUSTED, detail, retryable=False)


def _try(attempt: _Attempt) -> Outcome:
    if attempt.claim.files:
        return _with_files(attempt)
    result = _perform(attempt, None)
    if attempt.spec.checks:
        with tempfile.TemporaryDirectory() as empty:
            _judge(attempt, _bench_without_repository(attempt, Path(empty)))
    return Succeeded(result.summary)


def _with_files(attempt: _Attempt) -> Outcome:
    claim = attempt.claim
    repository = Repository.open(claim.location, attempt.process.conductor.settings.home)
    start = repository.tip(claim.branch)
    with repository.worktree(claim.attempt_id, start) as worktree:
        crash.point("attempt.after_worktree")
        result = _perform(attempt, worktree)
        crash.point("attempt.after_agent")
        commit = _commit(attempt, worktree, result)
    _judge_commit(attempt, repository, commit or start)
    crash.point("attempt.after_checks")
    return Succeeded(result.summary, commit, repository.tree(commit) if commit else None)


def _commit(attempt: _Attempt, worktree: Worktree, result: AgentResult) -> str | None:
    """Commit and publish what changed; None when nothing did."""
    if not worktree.changed():
        return None
    claim = attempt.claim
    message = f"{attempt.spec.title}\n\n{result.summary}".strip()
    commit = worktree.commit(message, trailers(claim, claim.attempt_id))
    if commit == worktree.base:
        return None
    worktree.publish(attempt_ref(claim.attempt_id))
    return commit


def trailers(claim: Claim, attempt_id: str) -> dict[str, str]:
    """What marks a task's commit on the execution branch."""
    return {
        "Conductor-Task": claim.task_key or str(claim.payload["task_key"]),
        "Conductor-Attempt": attempt_id,
        "Conductor-Execution": claim.execution_id,
    }


def _perform(attempt: _Attempt, worktree: Worktree | None) -> AgentResult:
    claim, spec, process = attempt.claim, attempt.spec, attempt.process
    agent_spec = claim.agent
    assert agent_spec is not None
    attempt.artifacts.mkdir(parents=True, exist_ok=True)
    with AttemptLog(attempt.artifacts / "log.txt") as log:
        connector = None
        attempt.connector = FUNCTION
        if process.agents.needs_connector(agent_spec):
            attempt.connector = _connector_of(claim, agent_spec.connector, process)
            connector = open_connector(
                attempt.connector,
                workflow=claim.workflow.name,
                task=claim.task_key,
                failures=claim.failures,
                recordings=process.conductor.settings.recordings or BUILT_IN,
            )
        environment = _environment(attempt, worktree, log)
        attempt.context = AgentContext(
            worktree=worktree.path if worktree else None,
            sandbox=process.sandbox,
            connector=connector,
            log=log.write,
            cancelled=lambda: attempt.held.stopped() or attempt.held.out_of_time,
            deadline=time.monotonic() + spec.timeout,
            artifacts=attempt.artifacts,
            environment=environment,
            hosts=network.allowed(agent_spec),
            meter=Meter(process.conductor, process.prices, claim),
        )
        attempt.held.until = attempt.context.deadline + GRACE
        if claim.working_left is not None:
            attempt.held.may_work(claim.working_left)
        agent = process.agents.resolve(agent_spec)
        result = agent.perform_task(_task(claim, spec), attempt.context)
        attempt.held.until = math.inf
        # Agents in Python account for themselves in the result, loops in the context.
        attempt.context.usage = attempt.context.usage or result.usage
        return result


def _environment(
    attempt: _Attempt, worktree: Worktree | None, log: AttemptLog
) -> Environment | None:
    """What the project's `setup` makes of the branch as it is; None without one.

    Where it can't be made yet the agent works without it: it may be the one who is to mend that.
    """
    setup = attempt.claim.workflow.setup
    if setup is None or worktree is None or not ready(setup, worktree.path):
        return None
    try:
        return prepare(
            setup,
            worktree.path,
            home=attempt.process.conductor.settings.home,
            sandbox=attempt.process.sandbox,
            cancelled=attempt.held.stopped,
        )
    except SetupFailed as problem:
        log.write(f"Commands run without the project's environment. {problem.message}")
        return None


def _connector_of(claim: Claim, of_agent: str | None, process: "WorkerProcess") -> str:
    return claim.connector or of_agent or process.conductor.settings.connector or "replay"


def _task(claim: Claim, spec: TaskSpec) -> AgentTask:
    return AgentTask(
        id=claim.task_id,
        key=claim.task_key,
        execution_id=claim.execution_id,
        workflow=claim.workflow.name,
        phase=claim.phase,
        phase_name=claim.workflow.phase(claim.phase).name,
        agent=claim.agent.name if claim.agent else "",
        title=spec.title,
        prompt=render(spec.prompt, claim.inputs),
        produces=spec.produces,
        timeout=spec.timeout,
        failures=claim.failures,
        context={"notes": list(claim.notes)} if claim.notes else {},
        inputs=claim.inputs,
    )


def _judge_commit(attempt: _Attempt, repository: Repository, commit: str) -> None:
    if not attempt.spec.checks and not attempt.spec.produces:
        return
    with open_bench(
        repository,
        commit,
        workflow=attempt.claim.workflow,
        sandbox=attempt.process.sandbox,
        home=attempt.process.conductor.settings.home,
        artifacts=attempt.artifacts,
        variables=operator_variables(),
        cancelled=attempt.held.stopped,
    ) as bench:
        _judge(attempt, bench)


def _bench_without_repository(attempt: _Attempt, place: Path) -> Bench:
    return Bench(
        checkout=place,
        commit="",
        tree="",
        workflow=attempt.claim.workflow,
        sandbox=attempt.process.sandbox,
        home=attempt.process.conductor.settings.home,
        artifacts=attempt.artifacts,
        variables=operator_variables(),
        cancelled=attempt.held.stopped,
    )


def _judge(attempt: _Attempt, bench: Bench) -> None:
    """Raises AttemptFailed, of kind OUTPUT_MISSING or CHECK_FAILED, with what the logs say."""
    produced = [
        FileCheck(kind="file", name=f"Produces {path}", path=path) for path in attempt.spec.produces
    ]
    results = judge([*produced, *attempt.spec.checks], bench)
    attempt.judgements = tuple(judgement(each, "task", attempt.claim.task_key) for each in results)
    bad = [each for each in results if each.verdict == Verdict.FAILED]
    if not bad:
        return
    missing = len(produced) > 0 and results.index(bad[0]) < len(produced)
    kind = FailureKind.OUTPUT_MISSING if missing else FailureKind.CHECK_FAILED
    message = "; ".join(f"{each.name}: {each.message}" for each in bad)
    raise AttemptFailed(kind, message, detail=_logs_of(bad))


def _logs_of(bad: Sequence[CheckResult]) -> str:
    logs_of = (str(each.evidence.get("log", "")) for each in bad)
    return "\n".join(text for text in logs_of if text)[-LOG_LENGTH:]


def judgement(result: CheckResult, role: str, subject: str) -> Judgement:
    return Judgement(
        role,
        subject,
        result.name,
        result.kind,
        result.verdict,
        result.message,
        result.evidence,
        result.task,
    )
