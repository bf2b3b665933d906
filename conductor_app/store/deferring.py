"""PostgreSQL over fewer round trips: writes whose result nobody asks for travel with what follows.

A transaction of the engine is a dozen small statements, and waiting for each answer costs more
than the work. A deferred statement is kept, its parameters bound, and sent in front of the next one
whose result is wanted, or of the commit. An error in it fails that one, and with it the
transaction, as it would have by itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from psycopg2.extensions import connection, cursor

Parameters = Sequence[Any] | Mapping[str, Any] | None


class DeferringConnection(connection):
    """Keeps the statements that wait; while `deferring` is set, those executed join them."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.deferring = False
        self.waiting: list[bytes] = []

    def commit(self) -> None:
        if self.waiting:
            with self.cursor() as sender:
                sender.execute("")
        super().commit()

    def rollback(self) -> None:
        self.waiting.clear()
        super().rollback()


class DeferringCursor(cursor):
    """Sends what waits in front of its own statement, in one message."""

    connection: DeferringConnection

    def execute(self, query: Any, vars: Parameters = None) -> None:
        waiting = self.connection.waiting
        if self.connection.deferring:
            waiting.append(self.mogrify(query, vars))
        elif waiting:
            together = b";".join([*waiting, self.mogrify(query, vars) if query else b"SELECT"])
            waiting.clear()
            super().execute(together)
        else:
            super().execute(query, vars)

    def executemany(self, query: Any, vars_list: Iterable[Any]) -> None:
        for each in vars_list:
            self.execute(query, each)
