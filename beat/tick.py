"""The tick, as beat sends it every few seconds: sweep, snapshots, projections, leftovers."""

from beat import leftovers, projections
from beat.gauges import gauges
from conductor_app.bootstrap import Conductor
from conductor_app.engine import queues, sweep


def tick(conductor: Conductor, holder: str) -> None:
    """One pass; nothing when another process holds the tick's lease.

    Raises what kept executions from being moved on, after the rest is done.
    """
    failures: ExceptionGroup[Exception] | None = None
    try:
        if not sweep.tick(conductor.database, holder, conductor.timing):
            return
    except ExceptionGroup as group:
        failures = group
    for queue in queues.unserved(conductor.database):
        conductor.queue.consume(queue)
    leftovers.remove(conductor)
    projections.refresh(conductor)
    gauges.tell(conductor)
    if failures is not None:
        raise failures


def due(conductor: Conductor) -> None:
    sweep.due(conductor.database)
