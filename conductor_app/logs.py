"""Every log sentence, keyed by what happened; written as lines for people or JSON for programs."""

import json
import logging
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType, TracebackType
from typing import Any

from conductor_app import masking
from conductor_app.printable import printable, printable_line

SENTENCES = {
    "worker_started": "Worker {worker} takes {queues} with {slots} slots",
    "worker_draining": "Worker {worker} is draining: its jobs are given back",
    "database_away": "The database can't be used now, and this worker waits for it: {error}",
    "heartbeat_failed": "A heartbeat could not be written: {error}",
    "job_claimed": "{kind} {name} claimed, claim {number}",
    "job_refused": "The report of job {job} came too late and was refused",
    "agent_broken": "What the agent {name} can do is not told: {error}",
    "estimate_unknown": "What {name} expects to take could not be written: {error}",
    "slot_stuck": "{name} is reported as TIMEOUT and keeps a slot of this worker until its agent "
    "ends",
    "slot_free": "{name} has ended after all; its slot is free again, its result came too late",
    "message_refused": "A message that is no task was refused: {error}",
    "job_failed": "{kind} {name} failed: {error}",
    "no_review": "{name} has no review yet ({kind}): {error}",
    "usage_unknown": "What attempt {attempt} used could not be written: {error}",
    "usage_impossible": "{model} reports {tokens} tokens, more than its call can have used: it "
    "is counted as its worst case",
    "desk_unreachable": "{name}: the database does not answer its agent's question: {error}",
    "not_resumed": "{name} starts over, what its last attempt left can't be read: {error}",
    "attempt_ended": "{name}: {outcome}",
    "gateway_failed": "The model gateway failed to answer a program: {error}",
    "hook": "{line}",
    "tick": "Tick: {open} executions open",
    "projection_failed": "The files of project {project} could not be written: {error}",
    "prune_failed": "Leftovers in {location} could not be removed: {error}",
    "retention_failed": "What is old in {what} could not be removed: {error}",
    "telemetry_missing": "Telemetry is asked for, but the extra `otel` is missing ({error}): "
    "pip install conductor-app[otel]",
    "process_failed": "The process ended by an error that nobody expected: {error}",
    "broker_unreachable": "The broker does not answer ({error}); what waits is sent again later",
}

_logger = logging.getLogger("conductor")
# What the work at hand is about, such as execution, task and attempt, by name.
_NOTHING: Mapping[str, str] = MappingProxyType({})
_about: ContextVar[Mapping[str, str]] = ContextVar("about", default=_NOTHING)


# What is the same for all that this process logs.
_process: dict[str, str] = {}


@contextmanager
def about(**ids: str | None) -> Iterator[None]:
    """What is logged within, here and in what runs in a copy of this context, is about these."""
    token = _about.set({**_about.get(), **{name: id_ for name, id_ in ids.items() if id_}})
    try:
        yield
    finally:
        _about.reset(token)


def of_process(**ids: str) -> None:
    """JSON entries of this process say these, such as its worker id."""
    _process.update(ids)


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


class ForPeople(logging.Formatter):
    """A line an entry, what it is about at its end, a traceback below it; masked."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return masking.words(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:
        ids = " ".join(f"{name}={id_}" for name, id_ in _about.get().items())
        return super().formatMessage(record) + (f" [{ids}]" if ids else "")

    def formatException(self, ei: Any) -> str:
        return printable(super().formatException(ei))


class ForPrograms(logging.Formatter):
    """A JSON object a line, in the words of Elasticsearch's log shippers; its texts are masked."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "@timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(
                timespec="milliseconds"
            ),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            "pid": record.process,
            **_process,
            **_about.get(),
        }
        if event := getattr(record, "event", None):
            entry |= {"event": event, "facts": getattr(record, "facts", {})}
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        # Before it is JSON, whose escapes are no part of a secret.
        return json.dumps(masking.within(entry), ensure_ascii=False, default=_masked)


def _masked(fact: Any) -> str:
    return masking.words(str(fact))


def set_up(process: str, format_: str = "text", level: str = "INFO") -> None:
    """Log to the standard error stream: lines for people, or with `json` for programs.

    Of libraries only warnings are logged. What nobody has caught is logged as well, so that it is
    masked like everything else. Called again, it takes the place of what was set up before.
    """
    of_process(process=process)
    handler = logging.StreamHandler()
    handler.setFormatter(ForPrograms() if format_ == "json" else ForPeople())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(True)
    _logger.setLevel(level)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _log_uncaught(
    kind: type[BaseException], problem: BaseException, trace: TracebackType | None
) -> None:
    if not issubclass(kind, Exception):
        # Ctrl-C, and whatever else is no fault.
        sys.__excepthook__(kind, problem, trace)
        return
    told = SENTENCES["process_failed"].format(error=problem)
    _logger.critical("%s", printable_line(told), exc_info=(kind, problem, trace))


def _log_uncaught_in_thread(failure: threading.ExceptHookArgs) -> None:
    if failure.exc_value is not None:
        _log_uncaught(failure.exc_type, failure.exc_value, failure.exc_traceback)
