"""What an agent's commands, and programs, may reach of the network, as settings say."""

from collections.abc import Sequence

from conductor_app.domain.network_hosts import EVERYWHERE
from conductor_app.domain.workflow_template import AgentSpec
from workers.failures import AttemptFailed, FailureKind
from workers.sandbox import hosts


def allowed(agent: AgentSpec) -> Sequence[str]:
    """Its hosts. Raises AttemptFailed as `require` does."""
    require(agent.network, f"`network` of the agent {agent.name}")
    return agent.network


def require(wanted: Sequence[str], named: str) -> None:
    """Raises AttemptFailed: for good when a host is nobody's to allow, to be tried again when it
    has no address at this time. `named` says where these hosts stand."""
    try:
        hosts.endpoints([host for host in wanted if host != EVERYWHERE])
    except hosts.HostRefused as refused:
        raise AttemptFailed(
            FailureKind.AGENT_ERROR, f"{named}: {refused.message}", retryable=False
        ) from refused
    except hosts.HostUnknown as unknown:
        raise AttemptFailed(
            FailureKind.TEMPORARY_FAILURE, f"{named}: {unknown.message}"
        ) from unknown
