"""Patience with a database that is away: what was asked or written is tried again for a while."""

import math
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, OperationalError

from conductor_app import logs
from conductor_app.bootstrap import Conductor
from conductor_app.store import database
from conductor_app.store.database import Transaction

# For how long, and how soon again, in seconds.
PATIENCE = 60.0
# The same from when a worker drains, for all together: its jobs are then left to their leases.
LAST_PATIENCE = 10.0
PAUSE = 0.5

T = TypeVar("T")


class Patience:
    """Of one worker process, which is to end soon after `hurry`."""

    def __init__(self, conductor: Conductor) -> None:
        self.conductor = conductor
        self._end = math.inf

    def hurry(self) -> None:
        self._end = time.monotonic() + LAST_PATIENCE

    def read(self, question: Callable[[Transaction], T]) -> T:
        """What the database says, as soon as it says something."""

        def once() -> T:
            with self.conductor.read() as tx:
                return question(tx)

        return self.with_database(once)

    def write(self, work: Callable[[Transaction], T]) -> T:
        """What `work` returns once it is committed.

        A commit that was not answered may have been made: done again, `work` finds that in the
        rows and does nothing twice.
        """

        def once() -> T:
            with self.conductor.transaction() as tx:
                return work(tx)

        return self.with_database(once)

    def with_database(self, work: Callable[[], T]) -> T:
        """What `work` returns; what its last commit did it reads from the rows."""
        until = time.monotonic() + PATIENCE
        said = False
        while True:
            try:
                return work()
            except DBAPIError as error:
                if not _away(error) or time.monotonic() > min(until, self._end):
                    raise
                if not said:
                    logs.warning("database_away", error=error.orig)
                said = True
                time.sleep(PAUSE)


def _away(error: DBAPIError) -> bool:
    """Whether the database was out of reach, full or too busy, not the statement wrong."""
    told = str(error.orig)
    if database.is_full(error):
        return True
    if error.connection_invalidated or "database is locked" in told or "deadlock" in told:
        return True
    # No statement: no connection could be made.
    return isinstance(error, OperationalError) and error.statement is None
