"""What a run says before its first task: what is going to happen, and what that may cost."""

import os
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Row

from conductor_app import launch
from conductor_app.store import workflows
from conductor_app.store.database import Transaction

# A key in the environment chooses nothing; who has one is told so.
KEYS = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "DEEPSEEK_API_KEY")


def announcement(
    tx: Transaction,
    execution: Row[Any],
    connectors: str,
    outlook: Sequence[str] = (),
    *,
    resumed: bool,
) -> Iterator[str]:
    """A line each for the workflow and its last phase, the connectors, the keys, the repository.

    `connectors` and `outlook` (what it may cost) are what the API says of the execution: its server
    chooses, not who watches.
    """
    workflow = workflows.of_version(tx, execution.workflow_version)
    last = workflow.phase(execution.target_phase)
    goes_on = " goes on" if resumed else ""
    end = f"up to phase {last.number} ({last.name})"
    yield f"Workflow {workflow.name}{goes_on}: {workflow.title}, {end}"
    yield f"Connector {launch.label_of(connectors)}{_replayed(execution, connectors)}"
    yield from (f"  {each}" for each in outlook)
    keys = [key for key in KEYS if os.environ.get(key)]
    if keys and not launch.costs(connectors):
        yield f"Not used: {', '.join(keys)}. A key alone never chooses a paid model"
    yield f"Repository {execution.location}, branch {execution.branch}"


def _replayed(execution: Row[Any], connectors: str) -> str:
    """What of a run that costs money costs none."""
    first = execution.replay_before
    if not first or not launch.costs(connectors):
        return ""
    phases = "phase 0 is" if first == 1 else f"phases 0 to {first - 1} are"
    return f"; {phases} replayed, which costs nothing"
