"""What happens on a schedule: name, Celery task, cadence."""

from conductor_app.queue import DUE, RETENTION, SYSTEM_QUEUE, TICK
from conductor_app.settings import Settings

# How often retries whose time has come are sent, in seconds.
DUE_SECONDS = 1.0
# Asked more often than once an hour, which it happens at most: a restart loses no turn.
RETENTION_SECONDS = 300.0


def schedule(settings: Settings) -> dict[str, dict[str, object]]:
    """Celery beat's table. A message that nobody took before the next one is void."""
    if not settings.enable_orchestrator:
        return {}
    return {
        "tick": _entry(TICK, settings.tick_seconds),
        "due": _entry(DUE, min(DUE_SECONDS, settings.tick_seconds)),
        "retention": _entry(RETENTION, RETENTION_SECONDS),
    }


def _entry(task: str, seconds: float) -> dict[str, object]:
    return {
        "task": task,
        "schedule": seconds,
        "options": {
            "queue": SYSTEM_QUEUE,
            "priority": 0,
            "expires": max(1.0, 2 * seconds),
            "ignore_result": True,
        },
    }
