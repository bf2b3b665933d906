"""How long an agent in Python expects a task to take: told in its log, kept for the ETA."""

from collections.abc import Callable

from sqlalchemy.exc import DBAPIError

from conductor_app import logs
from conductor_app.engine.claim import Claim
from conductor_app.store import records
from workers.agents.base import AgentTask, BaseAgent
from workers.patience import Patience

# A year, in milliseconds: whoever says more says nothing.
LONGEST = 365 * 24 * 3600 * 1000.0


def expect(
    patience: Patience, claim: Claim, agent: BaseAgent, task: AgentTask, log: Callable[[str], None]
) -> None:
    """Keep what the agent says of the task, if it says something of its own."""
    if type(agent).estimate_task_duration is BaseAgent.estimate_task_duration:
        return
    expected = _expected(agent, task, log)
    if expected is None:
        return
    log(f"expects to take {expected / 1000:g} s")
    try:
        patience.write(lambda tx: records.expect(tx, claim.attempt_id, expected))
    except DBAPIError as problem:
        # The work matters more.
        logs.warning("estimate_unknown", name=claim.task_key, error=problem)


def _expected(agent: BaseAgent, task: AgentTask, log: Callable[[str], None]) -> int | None:
    """Milliseconds; it is only advice, so an agent that gives none of use may still work."""
    try:
        said = float(agent.estimate_task_duration(task))
    except Exception as problem:
        log(f"its estimate_task_duration raised {type(problem).__name__}: {problem}")
        return None
    # Not a number is within no bounds.
    if not 0 < said <= LONGEST:
        log(f"its estimate_task_duration gave {said:g}, which is no duration")
        return None
    return round(said)
