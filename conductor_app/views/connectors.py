"""Which connector works for an execution, so that a replay is labelled as one wherever it shows."""

from typing import Any

from sqlalchemy import Row

from conductor_app.catalog import AGENTS
from conductor_app.store import workflows
from conductor_app.store.database import Transaction

REPLAY = "replay"


def of_phases(tx: Transaction, execution: Row[Any], default: str = REPLAY) -> dict[int, list[str]]:
    """The connectors of each phase up to the target; `default` serves agents that name none."""
    workflow = workflows.of_version(tx, execution.workflow_version)
    agents = workflow.all_agents(AGENTS)
    found: dict[int, list[str]] = {}
    for phase in workflow.phases[: execution.target_phase + 1]:
        names = {
            connector_of(execution, phase.number, agents[task.agent].connector, default)
            for task in phase.tasks
        }
        found[phase.number] = sorted(names)
    return found


def connector_of(
    execution: Row[Any], phase: int, of_agent: str | None, default: str = REPLAY
) -> str:
    """As workers choose: a replayed phase, the execution's own, the agent's, the default."""
    if phase < execution.replay_before:
        return REPLAY
    return str(execution.connector or of_agent or default)


def label(tx: Transaction, execution: Row[Any], default: str = REPLAY) -> str:
    """All connectors of an execution: `replay`, or `claude, replay`."""
    names = {name for each in of_phases(tx, execution, default).values() for name in each}
    return ", ".join(sorted(names)) or str(execution.connector or default)
