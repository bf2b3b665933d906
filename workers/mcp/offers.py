"""Which MCP servers an attempt's agent is offered: its own list, of those of its project."""

from conductor_app.domain import mcp
from conductor_app.domain.mcp import Offers
from conductor_app.engine.claim import Claim
from conductor_app.errors import InvalidInput
from conductor_app.store import projects
from workers.failures import AttemptFailed, FailureKind
from workers.patience import Patience


def offers_of(patience: Patience, claim: Claim) -> Offers:
    """Raises AttemptFailed when the project's settings make no sense."""
    allowed = claim.agent.mcp if claim.agent else ()
    if not allowed:
        return Offers()
    project = patience.read(lambda tx: projects.get(tx, claim.project_id))
    try:
        return mcp.offers(project.settings or {}, allowed)
    except InvalidInput as problem:
        raise AttemptFailed(FailureKind.AGENT_ERROR, problem.message, retryable=False) from problem
