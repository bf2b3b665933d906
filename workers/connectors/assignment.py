"""What a connector is opened for."""

from dataclasses import dataclass
from pathlib import Path

from conductor_app import connector_settings
from conductor_app.connector_settings import ModelSettings
from conductor_app.domain.workflow_template import AgentSpec
from conductor_app.errors import InvalidSettings
from conductor_app.recordings import BUILT_IN
from conductor_app.settings import Settings
from workers.failures import AttemptFailed, FailureKind


@dataclass(frozen=True)
class Assignment:
    """One attempt at a task (its key), after so many that failed; `agent` carries it out."""

    workflow: str
    task: str
    failures: int
    recordings: Path = BUILT_IN
    agent: AgentSpec | None = None
    settings: Settings | None = None
    # The same for all attempts at the task.
    conversation: str = ""

    def model_settings(self, connector: str) -> ModelSettings:
        """Those of a live model's connector. Raises AttemptFailed when they are wrong."""
        agent = self.agent
        try:
            chosen = connector_settings.load(self.settings or Settings.load())
        except InvalidSettings as problem:
            raise AttemptFailed(
                FailureKind.AGENT_ERROR, problem.message, retryable=False
            ) from problem
        if agent is None:
            return chosen.of(connector)
        # A model goes with the connector that it was written down with.
        fits = agent.connector in (None, connector)
        return chosen.of(connector, agent.name, agent.model if fits else None)
