"""Opens a connector by name for one attempt."""

from pathlib import Path

from conductor_app.catalog import CONNECTORS
from conductor_app.recordings import BUILT_IN
from workers.connectors.base import Connector
from workers.connectors.replay import open_replay
from workers.failures import AttemptFailed, FailureKind


def open_connector(
    name: str, *, workflow: str, task: str, failures: int, recordings: Path = BUILT_IN
) -> Connector:
    """The connector of that name for one attempt at the task (its key).

    Raises AttemptFailed when there is no such connector, or when it can't serve this attempt.
    """
    if name == "replay":
        return open_replay(workflow, task, failures, recordings)
    raise AttemptFailed(
        FailureKind.AGENT_ERROR,
        f"There is no connector {name!r}; there are {', '.join(CONNECTORS)}. "
        "Correct `connector` in the workflow or the settings.",
        retryable=False,
    )
