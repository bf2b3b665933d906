"""Opens a connector by name for one attempt."""

from pathlib import Path

from conductor_app.recordings import BUILT_IN
from workers.connectors.base import Connector
from workers.connectors.replay import open_replay
from workers.failures import AttemptFailed, FailureKind

# `none` is for agents that are Python functions and ask no model.
CONNECTORS = ("replay", "none")


def open_connector(
    name: str, *, workflow: str, task: str, failures: int, recordings: Path = BUILT_IN
) -> Connector | None:
    """The connector of that name for one attempt at the task (its key), None for `none`.

    Raises AttemptFailed when there is no such connector, or when it can't serve this attempt.
    """
    if name == "replay":
        return open_replay(workflow, task, failures, recordings)
    if name == "none":
        return None
    raise AttemptFailed(
        FailureKind.AGENT_ERROR,
        f"There is no connector {name!r}; there are {', '.join(CONNECTORS)}. "
        "Correct `connector` in the workflow or the settings.",
        retryable=False,
    )
