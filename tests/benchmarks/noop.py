"""An agent that does nothing, and workflows made of it."""

from conductor_app.workflows import loader
from conductor_app.workflows.loader import Loaded
from workers.agents.base import AgentContext, AgentResult, AgentTask, BaseAgent

HEAD = """
name: benchmark
title: Benchmark
agents:
  noop: {title: No-op, function: "tests.benchmarks.noop:NoOp"}
phases:
  - number: 0
    name: Everything
    tasks:
"""


class NoOp(BaseAgent):
    """Ends at once."""

    def perform_task(self, task: AgentTask, context: AgentContext) -> AgentResult:
        return AgentResult("")


def workflow(needs: list[list[int]]) -> Loaded:
    """Task n needs the tasks that `needs[n]` lists."""
    lines = [
        f"      - {{key: t{number}, title: t{number}, agent: noop, files: false, "
        f"needs: [{', '.join(f't{need}' for need in wanted)}]}}"
        for number, wanted in enumerate(needs)
    ]
    return loader.parse(HEAD + "\n".join(lines) + "\n", "benchmark.yml")


def fan_out(width: int) -> list[list[int]]:
    return [[] for _ in range(width)]


def chain(length: int) -> list[list[int]]:
    return [[number - 1] if number else [] for number in range(length)]


def layers(width: int, depth: int) -> list[list[int]]:
    """Each task of a layer needs two of the layer before."""
    return [
        []
        if number < width
        else sorted({number - width, (number // width - 1) * width + (number + 1) % width})
        for number in range(width * depth)
    ]
