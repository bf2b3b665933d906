"""What the agent of an attempt says that it can do, for those who ask for the agents."""

from sqlalchemy.exc import DBAPIError

from conductor_app import logs
from conductor_app.engine.claim import Claim
from conductor_app.store import workers
from workers.agents.base import BaseAgent
from workers.workshop import Workshop


def introduce(workshop: Workshop, claim: Claim, agent: BaseAgent) -> None:
    """Tell it in the row of this worker, if it is news; what fails here stops no work."""
    function = claim.agent.function if claim.agent else None
    try:
        if function is None or not workshop.agents.introduce(function, agent):
            return
    except Exception as problem:
        logs.warning("agent_broken", name=function, error=problem)
        return
    told = workshop.agents.told()
    try:
        workshop.patience.write(lambda tx: workers.tell(tx, claim.job_id, told))
    except DBAPIError as problem:
        logs.warning("agent_broken", name=function, error=problem)
