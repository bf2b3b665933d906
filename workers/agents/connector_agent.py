"""The agent that nobody has to write: its connector does the work."""

from conductor_app import masking
from conductor_app.domain.workflow_template import AgentSpec
from conductor_app.printable import sound
from workers.agents.base import AgentContext, AgentResult, AgentTask, BaseAgent
from workers.connectors.base import Model
from workers.failures import AttemptFailed, FailureKind
from workers.prompt import made_of, opening


class ConnectorAgent(BaseAgent):
    """An agent as a workflow or the catalog describes it."""

    def __init__(self, spec: AgentSpec) -> None:
        self._spec = spec
        self.agent_type = spec.name
        self.name = f"agent-{spec.name}"
        self.description = spec.title or self.name

    def perform_task(self, task: AgentTask, context: AgentContext) -> AgentResult:
        connector = context.connector
        if connector is None:
            raise AttemptFailed(
                FailureKind.AGENT_ERROR,
                f"The agent {task.agent} has no connector to work with. "
                "Give it one in the workflow or the settings, or a `function` of its own.",
                retryable=False,
            )
        system, prompt = opening(
            task,
            self.description,
            self.get_capabilities(task.phase),
            program=not isinstance(connector, Model),
        )
        # Inputs, notes and lessons are people's and agents' words: none brings a secret along.
        context.task, context.system = task, sound(masking.data(system.text))
        context.header = {**context.header, "prompt": made_of(task.agent)}
        connector.set_log_callback(context.log)
        return connector.execute(sound(masking.data(prompt.text)), context)

    def get_capabilities(self, phase: int) -> list[str]:
        return list(self._spec.abilities(phase))

    def estimate_task_duration(self, task: AgentTask) -> float:
        return self._spec.seconds(task.phase) * 1000
