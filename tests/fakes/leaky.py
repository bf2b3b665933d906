"""An agent whose failure tells what it should not."""

import os

from workers.agents.base import AgentContext, AgentResult, AgentTask, BaseAgent


class Raises(BaseAgent):
    """Raises, with every secret that it can find in its words."""

    def perform_task(self, task: AgentTask, context: AgentContext) -> AgentResult:
        told = [os.environ[name] for name in ("ANTHROPIC_API_KEY", "SOME_SERVICE_PASSWORD")]
        context.log(f"about to tell {told}")
        raise RuntimeError(f"{' and '.join(told)} at postgresql://me:{told[0]}@host/db")
