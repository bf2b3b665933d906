"""Which MCP servers an attempt's agent is offered: its own list, of those of its project."""

from conductor_app.bootstrap import Conductor
from conductor_app.domain import mcp
from conductor_app.domain.mcp import Offers
from conductor_app.engine.claim import Claim
from conductor_app.errors import InvalidInput
from conductor_app.store import projects
from workers.failures import AttemptFailed, FailureKind


def offers_of(conductor: Conductor, claim: Claim) -> Offers:
    """Raises AttemptFailed when the project's settings make no sense."""
    allowed = claim.agent.mcp if claim.agent else ()
    if not allowed:
        return Offers()
    with conductor.read() as tx:
        settings = projects.get(tx, claim.project_id).settings or {}
    try:
        return mcp.offers(settings, allowed)
    except InvalidInput as problem:
        raise AttemptFailed(FailureKind.AGENT_ERROR, problem.message, retryable=False) from problem
