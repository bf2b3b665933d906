"""What a worker writes through, with commits that are not answered."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy.exc import OperationalError

from conductor_app.domain.budget import Daily
from conductor_app.store.database import Transaction
from tests.fakes.engine import Engine


@dataclass
class Unanswered:
    """A conductor whose next commit loses its connection `before` or `after` it is made."""

    engine: Engine
    cut: Literal["before", "after"] | None = None
    lease_ms: int = 30_000
    daily: Daily = field(default_factory=Daily)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        cut, self.cut = self.cut, None
        with self.engine.database.transaction() as tx:
            yield tx
            if cut == "before":
                raise gone()
            if cut == "after":
                # They go out when the commit was answered.
                tx.hints.clear()
        if cut == "after":
            raise gone()


def gone() -> OperationalError:
    reason = Exception("server closed the connection unexpectedly")
    return OperationalError("COMMIT", None, reason, connection_invalidated=True)
