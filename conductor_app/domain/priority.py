"""Which task goes first: the number within an execution, weights between them, brokers' levels."""

from collections.abc import Mapping

PHASES = 6
WEIGHTS: Mapping[str, int] = {"low": 1, "normal": 2, "high": 4, "critical": 8}
MOST_WEIGHT = 100

# Both brokers have ten levels. Phases 0 to 5 get the six most urgent, one each, and agents of one
# phase share theirs: within a level the database's order decides.
LEVELS = 10


def of_task(phase: int, agent_priority: int) -> int:
    """Document 000's number: higher goes first."""
    return (PHASES - phase) * 100 + agent_priority


def weight(priority: str | int) -> int:
    """An execution's weight in the fair share, 1 to 100; raises ValueError for an unknown word."""
    if isinstance(priority, str) and priority in WEIGHTS:
        return WEIGHTS[priority]
    try:
        number = int(priority)
    except ValueError:
        words = ", ".join(WEIGHTS)
        raise ValueError(f"`{priority}` is not a priority: {words} or an integer") from None
    return min(MOST_WEIGHT, max(1, number))


def rabbitmq_level(priority: int) -> int:
    """0 to 9, the most urgent highest."""
    return min(LEVELS - 1, max(0, priority // 100 + LEVELS - 1 - PHASES))


def redis_level(priority: int) -> int:
    """0 to 9, the most urgent lowest: kombu empties queue 0 first."""
    return LEVELS - 1 - rabbitmq_level(priority)
