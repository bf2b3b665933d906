"""The metrics: names, units, meanings; those of models as the GenAI conventions have them."""

from collections.abc import Mapping
from dataclasses import dataclass

TOKEN_BUCKETS = tuple(4**power for power in range(14))
SECOND_BUCKETS = tuple(0.01 * 2**power for power in range(14))
# Attempts last from a moment to an hour.
LONG_BUCKETS = (0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600)


@dataclass(frozen=True)
class Metric:
    """`kind` is histogram, counter or gauge; the buckets are a histogram's."""

    kind: str
    unit: str
    description: str
    buckets: tuple[float, ...] = ()


METRICS: Mapping[str, Metric] = {
    "gen_ai.client.token.usage": Metric(
        "histogram",
        "{token}",
        "Tokens of a call: input (with what the cache had), output",
        TOKEN_BUCKETS,
    ),
    "gen_ai.client.operation.duration": Metric(
        "histogram", "s", "How long a call of a model took", SECOND_BUCKETS
    ),
    "gen_ai.invoke_agent.duration": Metric(
        "histogram", "s", "How long an agent worked in an attempt", LONG_BUCKETS
    ),
    "gen_ai.execute_tool.duration": Metric(
        "histogram", "s", "How long a tool took", SECOND_BUCKETS
    ),
    "conductor.call.cost": Metric("counter", "{USD}", "What calls of models have cost"),
    "conductor.job.duration": Metric(
        "histogram", "s", "From a job's claim to its report, by kind and outcome", LONG_BUCKETS
    ),
    "conductor.queue.jobs": Metric("gauge", "{job}", "Jobs that wait or are done, by queue"),
    "conductor.budget.tokens": Metric(
        "gauge", "{token}", "Today's budget: spent, reserved, and its cap"
    ),
    "conductor.budget.cost": Metric(
        "gauge", "{USD}", "Today's budget: spent, reserved, and its cap"
    ),
}
