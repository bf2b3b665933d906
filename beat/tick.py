"""The tick, as beat sends it every few seconds: sweep, snapshots, projections, leftovers."""

from sqlalchemy import select

from beat import projections
from conductor_app import logs
from conductor_app.bootstrap import Conductor
from conductor_app.engine import queues, sweep
from conductor_app.store.tables import attempts
from workers.workspace import Repository


def tick(conductor: Conductor, holder: str) -> None:
    """One pass; nothing when another process holds the tick's lease."""
    swept = sweep.tick(conductor.database, holder, conductor.timing)
    if swept is None:
        return
    for queue in queues.unserved(conductor.database):
        conductor.queue.consume(queue)
    for location in swept.lost_in:
        prune(conductor, location)
    projections.refresh(conductor)


def due(conductor: Conductor) -> None:
    sweep.due(conductor.database)


def prune(conductor: Conductor, location: str) -> None:
    """Remove what killed attempts left in a repository; their work is kept on hidden refs."""
    with conductor.read() as tx:
        alive = {
            row.id for row in tx.all(select(attempts.c.id).where(attempts.c.status == "active"))
        }
    try:
        Repository.open(location, conductor.settings.home).prune(alive)
    except Exception as error:
        logs.warning("prune_failed", location=location, error=str(error))
