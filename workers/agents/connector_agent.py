"""The agent that nobody has to write: its connector does the work, turn by turn, in the loop."""

from conductor_app.domain.workflow_template import AgentSpec
from workers.agents.base import AgentContext, AgentResult, AgentTask, BaseAgent
from workers.loop import LoopLimits, run_loop
from workers.prompt import opening


class ConnectorAgent(BaseAgent):
    """An agent as a workflow or the catalog describes it."""

    def __init__(self, spec: AgentSpec, limits: LoopLimits | None = None) -> None:
        self._spec = spec
        self._limits = limits or LoopLimits()
        self.agent_type = spec.name
        self.name = f"agent-{spec.name}"
        self.description = spec.title or self.name

    def perform_task(self, task: AgentTask, context: AgentContext) -> AgentResult:
        messages = opening(task, self.description, self.get_capabilities(task.phase))
        return run_loop(task, context, messages, self._limits)

    def get_capabilities(self, phase: int) -> list[str]:
        return list(self._spec.capabilities.get(phase, ()))

    def estimate_task_duration(self, task: AgentTask) -> float:
        return self._spec.seconds(task.phase) * 1000
