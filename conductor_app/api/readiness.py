"""Whether Conductor can work: what it depends on, how each is, and how long it took to answer."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from conductor_app.bootstrap import Conductor
from conductor_app.queue import MemoryQueue
from conductor_app.store import schema
from conductor_app.store import workers as worker_rows

BROKER_SECONDS = 2
# Without a worker work waits, but nothing is refused or lost.
REQUIRED = ("database", "broker")


class Down(Exception):
    """A dependency does not answer."""


@dataclass(frozen=True)
class Dependency:
    """`state` is up or down; `detail` says how many, or why not."""

    name: str
    state: str
    required: bool
    latency_ms: float
    detail: str


def examine(conductor: Conductor) -> tuple[bool, list[dict[str, Any]]]:
    """Whether everything required is up, and every dependency."""
    found = [
        _timed("database", lambda: _database(conductor)),
        _timed("broker", lambda: _broker(conductor)),
        _timed("workers", lambda: _workers(conductor)),
    ]
    ready = all(each.state == "up" for each in found if each.required)
    return ready, [asdict(each) for each in found]


def _timed(name: str, probe: Callable[[], str]) -> Dependency:
    began = time.perf_counter()
    try:
        state, detail = "up", probe()
    except Down as down:
        state, detail = "down", str(down)
    latency = round((time.perf_counter() - began) * 1000, 2)
    return Dependency(name, state, name in REQUIRED, latency, detail)


def _database(conductor: Conductor) -> str:
    try:
        with conductor.read() as tx:
            revision = schema.revision(tx)
    except SQLAlchemyError as error:
        raise Down(
            f"It does not answer ({type(error).__name__}); `conductor doctor` says more."
        ) from error
    problem = schema.problem(revision)
    # While a schema is upgraded the older processes work on with the newer one.
    if problem is None or isinstance(problem, schema.NewerSchema):
        return f"schema {revision}"
    raise Down(problem.message)


def _broker(conductor: Conductor) -> str:
    if isinstance(conductor.queue, MemoryQueue):
        return "in memory"
    # Imported when first asked: half a second that the server's start need not wait for.
    from kombu.connection import Connection
    from kombu.exceptions import OperationalError

    url = conductor.settings.celery_broker_url
    options = {"socket_connect_timeout": BROKER_SECONDS, "socket_timeout": BROKER_SECONDS}
    redis = "redis" in url.partition(":")[0]
    # kombu is not typed.
    connection: Any = Connection(  # type: ignore[no-untyped-call]
        url, connect_timeout=BROKER_SECONDS, transport_options=options if redis else {}
    )
    with connection:
        try:
            # The next question comes soon enough: no retry, and no pause before one.
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=BROKER_SECONDS)
        except OperationalError as error:
            raise Down("It does not answer; work waits until it does.") from error
    return str(connection.transport.driver_type)


def _workers(conductor: Conductor) -> str:
    try:
        with conductor.read() as tx:
            fresh = worker_rows.fresh(tx, conductor.lease_ms)
    except SQLAlchemyError as error:
        raise Down("Unknown while the database does not answer.") from error
    if not fresh:
        raise Down("None has been heard of lately; work waits until one starts.")
    return f"{len(fresh)} with {sum(row.slots for row in fresh)} slots"
