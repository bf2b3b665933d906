"""The tick, as beat sends it every few seconds: sweep, snapshots, projections, leftovers."""

from beat import leftovers, projections
from conductor_app.bootstrap import Conductor
from conductor_app.engine import queues, sweep


def tick(conductor: Conductor, holder: str) -> None:
    """One pass; nothing when another process holds the tick's lease."""
    if not sweep.tick(conductor.database, holder, conductor.timing):
        return
    for queue in queues.unserved(conductor.database):
        conductor.queue.consume(queue)
    leftovers.remove(conductor)
    projections.refresh(conductor)


def due(conductor: Conductor) -> None:
    sweep.due(conductor.database)
