"""Opens a connector by name for one attempt."""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import cast

from conductor_app.catalog import CONNECTORS
from conductor_app.domain.workflow_template import AgentSpec
from conductor_app.recordings import BUILT_IN
from conductor_app.settings import Settings
from workers.agents.base import Connector
from workers.connectors.assignment import Assignment
from workers.failures import AttemptFailed, FailureKind

# Where each is opened, by function(assignment). Imported on first use: the providers' packages
# take a second to import, and a worker that only replays never needs them.
_OPENED_BY = {
    "replay": "workers.connectors.replay:open_replay",
    "claude": "workers.connectors.claude:open_claude",
    "claude2": "workers.connectors.claude:open_claude2",
    "codex": "workers.connectors.codex:open_codex",
    "deepseek": "workers.connectors.deepseek:open_deepseek",
    "command": "workers.connectors.command:open_command",
    "acp": "workers.connectors.acp:open_acp",
}


def open_connector(
    name: str,
    *,
    workflow: str,
    task: str,
    failures: int,
    recordings: Path = BUILT_IN,
    agent: AgentSpec | None = None,
    settings: Settings | None = None,
    conversation: str = "",
) -> Connector:
    """The connector of that name for one attempt at the task (its key) by that agent.

    `conversation` is the same for all attempts at the task: a provider's cache goes by it. Raises
    AttemptFailed when there is no such connector, or when it can't serve this attempt.
    """
    if name not in _OPENED_BY:
        raise AttemptFailed(
            FailureKind.AGENT_ERROR,
            f"There is no connector {name!r}; there are {', '.join(CONNECTORS)}. "
            "Correct `connector` in the workflow or the settings.",
            retryable=False,
        )
    module, _, function = _OPENED_BY[name].partition(":")
    opener = cast(Callable[[Assignment], Connector], getattr(import_module(module), function))
    return opener(Assignment(workflow, task, failures, recordings, agent, settings, conversation))


def close_clients() -> None:
    """End this process's connections to models; there are none before one was called."""
    if clients := sys.modules.get("workers.connectors.clients"):
        clients.close_all()
