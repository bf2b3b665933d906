"""What an agent's commands may reach of the network, as its specification says."""

from collections.abc import Sequence

from conductor_app.domain.workflow_template import AgentSpec
from workers.failures import AttemptFailed, FailureKind
from workers.sandbox import hosts


def allowed(agent: AgentSpec) -> Sequence[str]:
    """Its hosts; raises AttemptFailed when one of them is nobody's to allow."""
    try:
        hosts.endpoints([host for host in agent.network if host != hosts.EVERYWHERE])
    except hosts.HostRefused as refused:
        raise AttemptFailed(FailureKind.AGENT_ERROR, refused.message, retryable=False) from refused
    return agent.network
