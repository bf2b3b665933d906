"""`python -m workers agent|system|isolated`: a Celery worker on threads, with its role's queues."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence

from celery.apps import worker as celery_worker
from celery.signals import setup_logging, worker_init, worker_shutdown, worker_shutting_down
from celery.utils.nodenames import host_format
from sqlalchemy.exc import DBAPIError

from conductor_app import bootstrap, logs, settings_review, telemetry
from conductor_app.engine import queues
from conductor_app.ids import new_id
from conductor_app.queue import ISOLATED_QUEUE, SYSTEM_QUEUE, CeleryQueue
from conductor_app.settings import Settings
from conductor_app.store import schema
from workers import current
from workers.process import WorkerProcess
from workers.publisher import Publisher

ROLES = ("agent", "system", "isolated")
# Seconds between two looks for a database that is away.
PAUSE = 1.0


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m workers", description=__doc__)
    parser.add_argument("role", choices=ROLES)
    parser.add_argument("--slots", type=int, help="jobs at a time; default: from the settings")
    parser.add_argument("--queues", help="comma-separated; default: all of the role")
    chosen = parser.parse_args(arguments)
    logs.set_up("worker")
    settings = settings_review.load_or_exit()
    logs.set_up("worker", settings.log_format, settings.log_level)
    broker = CeleryQueue(bootstrap.celery_app(settings))
    conductor = bootstrap.connect(settings, Publisher(broker))
    require_schema(conductor)
    names = chosen.queues.split(",") if chosen.queues else _queues(conductor, chosen.role)
    slots = chosen.slots or _slots(settings, chosen.role)
    _serve(conductor, chosen.role, names, slots)


def require_schema(conductor: bootstrap.Conductor) -> None:
    """Wait for the database, and end with a sentence where it has no schema to work with.

    One that is newer is none: workers of the version before go on while it is brought up to date.
    """
    problem = schema.problem(_revision(conductor))
    if problem is not None and not isinstance(problem, schema.NewerSchema):
        sys.exit(problem.message)


def _revision(conductor: bootstrap.Conductor) -> str | None:
    """Once the database answers: Celery would go on without what could not be begun."""
    said = False
    while True:
        try:
            with conductor.read() as tx:
                return schema.revision(tx)
        except DBAPIError as error:
            if not said:
                logs.warning("database_away", error=error.orig)
            said = True
            time.sleep(PAUSE)


def _queues(conductor: bootstrap.Conductor, role: str) -> list[str]:
    if role == "system":
        return [SYSTEM_QUEUE]
    if role == "isolated":
        return [ISOLATED_QUEUE]
    with conductor.read() as tx:
        return queues.known(tx)


def _slots(settings: Settings, role: str) -> int:
    return {"agent": settings.worker_slots, "system": settings.system_slots, "isolated": 1}[role]


def _serve(conductor: bootstrap.Conductor, role: str, names: list[str], slots: int) -> None:
    from workers.app import app

    def consumed() -> list[str]:
        """Read anew at every heartbeat: queues are added while the worker runs."""
        return list(app.amqp.queues.consume_from) or names

    def opened(**_: object) -> None:
        telemetry.start("worker", **{"conductor.worker.role": role})
        current.begin(WorkerProcess(conductor, role, slots, consumed))

    def draining(**_: object) -> None:
        current.drain()

    def closed(**_: object) -> None:
        current.end()
        telemetry.stop()

    setup_logging.connect(keep_logging, weak=False)
    worker_init.connect(opened, weak=False)
    worker_shutting_down.connect(draining, weak=False)
    worker_shutdown.connect(closed, weak=False)
    celery_worker.safe_say = _said(celery_worker.safe_say)
    # As `celery worker` does; that command itself would load its shell, Flower and every plugin.
    worker = app.Worker(
        hostname=host_format(f"{role}-{new_id()[-8:].lower()}@%h"),
        concurrency=slots,
        queues=names,
        loglevel="WARNING",
        # No banner: its lines are not those of a log.
        quiet=True,
        without_gossip=True,
        without_mingle=True,
    )
    worker.start()
    sys.exit(worker.exitcode)


def _said(say: Callable[..., None]) -> Callable[..., None]:
    """Celery prints that it shuts down past every logger, which breaks a log in JSON."""

    def but_that(message: str, *to: object) -> None:
        if "shutdown" not in message:
            say(message, *to)

    return but_that


def keep_logging(**_: object) -> None:
    """Celery would add handlers of its own, and every warning would be logged twice."""
