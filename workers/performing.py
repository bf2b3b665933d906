"""An attempt's agent at work: what it is given, and until when it may take."""

import math
import time
from dataclasses import dataclass, replace

from conductor_app import logs
from conductor_app.catalog import FUNCTION
from conductor_app.domain.outcome import Failed, Report
from conductor_app.domain.workflow import AgentSpec, given_setup
from conductor_app.engine.claim import Claim
from conductor_app.engine.generations import before
from conductor_app.recordings import root_of
from workers import briefing, telemetry
from workers.agents import network
from workers.agents.base import AgentContext, AgentResult, AgentTask, BaseAgent, Connector
from workers.attempt_log import AttemptLog
from workers.bench import operator_variables
from workers.connectors import open_connector
from workers.conversation import Earlier
from workers.desk import TaskDesk
from workers.environment import Environment, SetupFailed, prepare, ready
from workers.expectation import expect
from workers.failures import AttemptFailed, FailureKind
from workers.held import Held
from workers.introduction import introduce
from workers.mcp.offers import offers_of
from workers.metering import Meter
from workers.resumption import INTERRUPTED, Start
from workers.running_attempt import RunningAttempt
from workers.workshop import Workshop
from workers.workspace import Worktree

# How long after its deadline an agent may still come to its end, in seconds: what a connector
# drives stops by itself, and then has its transcript and its bill to close. One in Python gets a
# tenth of its time, not less than the least and not more than that.
GRACE, LEAST_GRACE = 30.0, 2.0


def perform(attempt: RunningAttempt, worktree: Worktree | None, start: Start) -> AgentResult:
    claim, spec, workshop = attempt.claim, attempt.spec, attempt.workshop
    agent_spec = claim.agent
    assert agent_spec is not None
    attempt.artifacts.mkdir(parents=True, exist_ok=True)
    with AttemptLog(attempt.artifacts / "log.txt") as log:
        connector = _open_connector(attempt, agent_spec)
        stop = _Stop(attempt.held)
        attempt.context = _context(attempt, agent_spec, worktree, start, connector, log, stop)
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
        if connector is None and stop.told:
            raise AttemptFailed(
                FailureKind.CANCELLED,
                "The agent ended after it had been told to stop, so what it left is not its work.",
            )
        attempt.held.until = math.inf
        # Agents in Python account for themselves in the result, loops in the context.
        attempt.context.usage = attempt.context.usage or result.usage
        return result


def _context(
    attempt: RunningAttempt,
    agent: AgentSpec,
    worktree: Worktree | None,
    start: Start,
    connector: Connector | None,
    log: AttemptLog,
    stop: "_Stop",
) -> AgentContext:
    claim, workshop = attempt.claim, attempt.workshop
    # First: what it takes is not the agent's time.
    environment = _environment(attempt, worktree, log)
    return AgentContext(
        worktree=worktree.path if worktree else None,
        sandbox=workshop.sandbox,
        connector=connector,
        log=log.write,
        cancelled=stop,
        deadline=time.monotonic() + attempt.spec.timeout,
        artifacts=attempt.artifacts,
        environment=environment,
        hosts=network.allowed(agent),
        meter=Meter(workshop.patience, workshop.prices, claim),
        desk=TaskDesk(workshop.patience, claim),
        earlier=_earlier(start),
        header=start.header(connector.name if connector else FUNCTION),
        mcp=offers_of(workshop.patience, claim),
        breaking_off=stop.broken_off,
    )


@dataclass
class _Stop:
    """Whether an agent has to stop; `told` is whether it has heard so."""

    held: Held
    told: bool = False

    def __call__(self) -> bool:
        self.told = self.told or self.held.stopped() or self.held.out_of_time
        return self.told

    def broken_off(self) -> bool:
        return self.held.broken_off() or self.held.out_of_time


def _earlier(start: Start) -> Earlier | None:
    """What it goes on from; where files had been changed, the agent is told of the interruption."""
    earlier = start.earlier
    if earlier is not None and earlier.changed:
        return replace(earlier, remark=INTERRUPTED)
    return earlier


def _declined(agent: BaseAgent, task: AgentTask) -> AttemptFailed:
    return AttemptFailed(
        FailureKind.AGENT_ERROR,
        f"{agent.name} says that it can't do the task {task.key} (its can_handle_task returned "
        "false). Give the task to another agent, or mend this one.",
        retryable=False,
    )


def _grace(attempt: RunningAttempt) -> float:
    if attempt.connector != FUNCTION:
        return GRACE
    return min(GRACE, max(LEAST_GRACE, attempt.spec.timeout / 10))


def _overrun(attempt: RunningAttempt) -> Report:
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


def _open_connector(attempt: RunningAttempt, agent: AgentSpec) -> Connector | None:
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
    attempt: RunningAttempt, worktree: Worktree | None, log: AttemptLog
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


def connector_of(workshop: Workshop, claim: Claim) -> str:
    assert claim.agent is not None
    if not workshop.agents.needs_connector(claim.agent):
        return FUNCTION
    settings = workshop.conductor.settings
    return claim.connector or claim.agent.connector or settings.connector or "replay"
