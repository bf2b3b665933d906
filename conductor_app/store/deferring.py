"""PostgreSQL over fewer round trips, with plans that the server keeps.

A transaction of the engine is a dozen small statements, and waiting for each answer, or planning
each anew, costs more than the work. A write whose result nobody asks for is kept and sent in front
of the next statement whose result is wanted, or of the commit; so is the word that begins the
transaction. An error in it fails that one, and with it the transaction, as it would have by itself.
A statement is named to the server at its first use (`PREPARE`, for this session), and from then on
sent as a name and its values.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg2.extensions import connection, cursor

Parameters = Sequence[Any] | Mapping[str, Any] | None


class DeferringConnection(connection):
    """Keeps the statements that wait and the names of those that the server knows.

    `opening` begins the next transaction; psycopg2's own would travel alone.
    """

    opening = b"BEGIN"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.autocommit = True
        self._begun = False
        self._waiting: list[bytes] = []
        self._names: dict[str, str] = {}
        # Never used twice: whether a PREPARE that failed on its way was executed is unknown.
        self._numbers = itertools.count(1)

    def later(self, text: str, rows: Sequence[Sequence[Any]]) -> None:
        """Execute the statement for each of these values, with what is sent next."""
        with self.cursor() as scribe:
            self._waiting += [self._worded(scribe, text, values) for values in rows]

    def read(self, text: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows of the statement's answer."""
        with self.cursor(cursor_factory=cursor) as reader:
            reader.execute(self.with_waiting(self._worded(reader, text, values)))
            return reader.fetchall()

    def change(self, text: str, values: Sequence[Any]) -> int:
        """The number of rows that the statement changed."""
        with self.cursor(cursor_factory=cursor) as writer:
            writer.execute(self.with_waiting(self._worded(writer, text, values)))
            return writer.rowcount

    def with_waiting(self, words: bytes) -> bytes:
        """What waits and then these words, in one message, the first of a transaction begins it."""
        before = self._waiting if self._begun else [self.opening, *self._waiting]
        self._waiting, self._begun = [], True
        return b";".join([*before, words])

    def _worded(self, scribe: cursor, text: str, values: Sequence[Any]) -> bytes:
        name = self._names.get(text)
        words = b""
        if name is None:
            name = self._names[text] = f"conductor_{next(self._numbers)}"
            words = f"PREPARE {name} AS {text};".encode()
        if not values:
            return words + f"EXECUTE {name}".encode()
        places = ",".join(["%s"] * len(values))
        return words + scribe.mogrify(f"EXECUTE {name}({places})", values)

    def commit(self) -> None:
        if self._begun or self._waiting:
            self._send(self.with_waiting(b"COMMIT"))
            self._begun = False

    def rollback(self) -> None:
        if not (self._begun or self._waiting):
            return
        self._waiting.clear()
        self._names.clear()
        if self._begun:
            self._begun = False
            self._send(b"ROLLBACK")

    def _send(self, words: bytes) -> None:
        with self.cursor(cursor_factory=cursor) as sender:
            sender.execute(words)


class DeferringCursor(cursor):
    """SQLAlchemy's statements: what waits is sent in front of them."""

    connection: DeferringConnection

    def execute(self, query: Any, vars: Parameters = None) -> None:
        super().execute(self.connection.with_waiting(self.mogrify(query, vars)))

    def executemany(self, query: Any, vars_list: Any) -> None:
        for each in vars_list:
            self.execute(query, each)
