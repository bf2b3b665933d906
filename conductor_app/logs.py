"""Every log sentence, keyed by what happened; one line each, its facts also for handlers."""

import logging
from typing import Any

from conductor_app.printable import printable_line

SENTENCES = {
    "worker_started": "Worker {worker} takes {queues} with {slots} slots",
    "worker_draining": "Worker {worker} is draining: its jobs are given back",
    "heartbeat_failed": "A heartbeat could not be written: {error}",
    "job_claimed": "{kind} {name} claimed, claim {number}",
    "job_refused": "The report of job {job} came too late and was refused",
    "message_refused": "A message that is no task was refused: {error}",
    "job_failed": "{kind} {name} failed: {error}",
    "usage_unknown": "What attempt {attempt} used could not be written: {error}",
    "desk_unreachable": "{name}: the database does not answer its agent's question: {error}",
    "not_resumed": "{name} starts over, what its last attempt left can't be read: {error}",
    "attempt_ended": "{name}: {outcome}",
    "gateway_failed": "The model gateway failed to answer a program: {error}",
    "hook": "{line}",
    "tick": "Tick: {open} executions open",
    "projection_failed": "The files of project {project} could not be written: {error}",
    "prune_failed": "Leftovers in {location} could not be removed: {error}",
    "retention_failed": "What is old in {what} could not be removed: {error}",
    "broker_unreachable": "The broker does not answer ({error}); what waits is sent again later",
}

_logger = logging.getLogger("conductor")


def debug(event: str, **facts: Any) -> None:
    if _logger.isEnabledFor(logging.DEBUG):
        _write(logging.DEBUG, event, facts)


def info(event: str, **facts: Any) -> None:
    _write(logging.INFO, event, facts)


def warning(event: str, **facts: Any) -> None:
    _write(logging.WARNING, event, facts)


def error(event: str, **facts: Any) -> None:
    """The same with the traceback of the exception being handled."""
    _write(logging.ERROR, event, facts, exc_info=True)


def _write(level: int, event: str, facts: dict[str, Any], exc_info: bool = False) -> None:
    # What agents and commands say must not look like lines of ours.
    sentence = printable_line(SENTENCES[event].format_map(_Facts(facts)))
    _logger.log(level, "%s", sentence, exc_info=exc_info, extra={"event": event, "facts": facts})


class _Facts(dict[str, Any]):
    def __missing__(self, name: str) -> str:
        return "?"


def set_up(level: int = logging.INFO) -> None:
    """Log to the standard error stream, a line an event."""
    logging.basicConfig(
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        force=True,
    )
    _logger.setLevel(level)
