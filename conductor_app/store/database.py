"""The connection to the database, and the transaction in which every change happens."""

import contextlib
import fcntl
import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from sqlalchemy import (
    Connection,
    Engine,
    Executable,
    Row,
    Table,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from conductor_app import silence
from conductor_app.queue import Hint, Queue
from conductor_app.store.prepared import Prepared
from conductor_app.store.recorder import Recorder

Statement = Executable | Prepared
# Planning costs more than these small statements ever take, and every query has its index: a table
# that has just grown has no statistics yet that would tell the planner so.
_PLANNING = "-c jit=off -c enable_seqscan=off -c plan_cache_mode=force_generic_plan"
# How long a reading of the server's clock is good for.
CLOCK_SECONDS = 10.0
# PostgreSQL's words for a look; where it writes, each statement sees what was committed before it.
_ONE_MOMENT = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_CHANGING = b"BEGIN"
_CLOCK = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")


class Transaction:
    """One unit of work: rows, the events that tell of them, the hints to send after the commit."""

    def __init__(self, connection: Connection, now: int, secret: bytes) -> None:
        self.connection = connection
        self.now = now
        self.events = Recorder(secret)
        self.hints: list[Hint] = []
        # The executions that this transaction has locked (store/executions.py), by id.
        self.locked: dict[str, Any] = {}
        # Jobs of which it is known that their executions are among those.
        self.covered: set[str] = set()
        # Jobs queued here whose message the broker's chain carries already.
        self.carried: set[str] = set()
        self.postgresql = connection.dialect.name == "postgresql"
        self._raw: Any = connection.connection.driver_connection

    def all(self, statement: Statement, parameters: Any = None) -> Sequence[Row[Any]]:
        if isinstance(statement, Prepared):
            return self._rows(statement, parameters)
        return self.connection.execute(statement, parameters).all()

    def first(self, statement: Statement, parameters: Any = None) -> Row[Any] | None:
        if isinstance(statement, Prepared):
            rows = self._rows(statement, parameters)
            return rows[0] if rows else None
        return self.connection.execute(statement, parameters).first()

    def value(self, statement: Statement, parameters: Any = None) -> Any:
        row = self.first(statement, parameters)
        return row[0] if row is not None else None

    def run(self, statement: Executable, parameters: Any = None) -> int:
        """Execute a write; the number of rows it changed."""
        return self.connection.execute(statement, parameters).rowcount

    def add_new(self, table: Table, row: Mapping[str, Any]) -> bool:
        """Insert the row, unless one with its key is there; whether it was inserted."""
        dialect = postgresql if self.postgresql else sqlite
        return bool(self.run(dialect.insert(table).values(row).on_conflict_do_nothing()))

    def changed(self, statement: Prepared, parameters: Mapping[str, Any]) -> int:
        """Execute a prepared write; the number of rows it changed."""
        compiled = statement.compiled(self.connection.dialect, parameters)
        values = compiled.bind(parameters)
        with _sqlalchemy_errors(self.connection, compiled.text):
            if self.postgresql:
                return int(self._raw.change(compiled.text, values))
            return int(self._raw.execute(compiled.text, values).rowcount)

    def later(self, statement: Prepared, *rows: Mapping[str, Any]) -> None:
        """Execute a write whose result nobody needs, in order, together with what follows it."""
        if not rows:
            return
        compiled = statement.compiled(self.connection.dialect, rows[0])
        values = [compiled.bind(row) for row in rows]
        with _sqlalchemy_errors(self.connection, compiled.text):
            if self.postgresql:
                self._raw.later(compiled.text, values)
            else:
                self._raw.executemany(compiled.text, values)

    def _rows(self, statement: Prepared, parameters: Any) -> Sequence[Row[Any]]:
        compiled = statement.compiled(self.connection.dialect, parameters)
        values = compiled.bind(parameters)
        with _sqlalchemy_errors(self.connection, compiled.text):
            if self.postgresql:
                return compiled.rows(self._raw.read(compiled.text, values))
            return compiled.rows(self._raw.execute(compiled.text, values).fetchall())


class _sqlalchemy_errors:
    """Around the driver's own calls: its errors are raised as SQLAlchemy's."""

    __slots__ = ("_connection", "_text")

    def __init__(self, connection: Connection, text: str) -> None:
        self._connection = connection
        self._text = text

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        dialect = self._connection.dialect
        driver = dialect.loaded_dbapi
        if not isinstance(error, driver.Error):
            return
        raw = self._connection.connection.driver_connection
        gone = dialect.is_disconnect(error, raw, None)
        if gone:
            self._connection.invalidate(error)
        raise DBAPIError.instance(
            self._text,
            None,
            error,
            driver.Error,
            hide_parameters=True,
            connection_invalidated=gone,
            dialect=dialect,
        ) from error


class Database:
    """SQLite or PostgreSQL; the same rules on both.

    On SQLite a lock file queues the writers of all processes: waiting on it costs nothing and wakes
    at once, where SQLite's own busy handler sleeps and polls.
    """

    def __init__(self, url: str, secret: bytes, queue: Queue, *, pool_size: int = 10) -> None:
        self.url = url
        self._secret = secret
        self._queue = queue
        parsed = make_url(url)
        self.sqlite = parsed.get_backend_name() == "sqlite"
        self._thread_lock = threading.Lock()
        self._lock_file: IO[str] | None = None
        # When the server's clock was last read, and how far (ms) it is ahead of the monotonic one.
        self._clock = (-math.inf, 0.0)
        if self.sqlite:
            assert parsed.database
            self._lock_path = Path(f"{parsed.database}.lock")
            self.engine = create_engine(
                url,
                pool_size=pool_size,
                # Transactions are begun and ended here, so the driver and the pool do neither.
                isolation_level="AUTOCOMMIT",
                pool_reset_on_return=None,
                connect_args={"timeout": 60},
            )
            _configure_sqlite(self.engine)
        else:
            # The driver is loaded where it is used.
            from conductor_app.store.deferring import DeferringConnection, DeferringCursor

            self.engine = create_engine(
                url,
                pool_size=pool_size,
                max_overflow=pool_size,
                # The connection begins and ends transactions itself.
                isolation_level="AUTOCOMMIT",
                connect_args={
                    "connection_factory": DeferringConnection,
                    "cursor_factory": DeferringCursor,
                    **silence.of_postgresql(parsed, _PLANNING),
                },
            )

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Commit on success and then send the hints; roll back on any exception."""
        with self._writer(), self._begun("BEGIN IMMEDIATE") as connection:
            tx = Transaction(connection, self._now(connection), self._secret)
            yield tx
            tx.events.write(tx)
        if tx.hints:
            self._queue.send(tx.hints)

    @contextlib.contextmanager
    def read(self) -> Iterator[Transaction]:
        """A consistent view, for reading only."""
        with self._begun("BEGIN", postgresql=_ONE_MOMENT) as connection:
            yield Transaction(connection, self._now(connection), self._secret)

    @contextlib.contextmanager
    def _begun(self, begin: str, postgresql: bytes = _CHANGING) -> Iterator[Connection]:
        """A connection in a transaction that is committed, or rolled back on any exception.

        SQLite is told by `begin`, PostgreSQL by `postgresql`, what kind it is.
        """
        with self.engine.connect() as connection:
            if not self.sqlite:
                server: Any = connection.connection.driver_connection
                server.opening = postgresql
                with connection.begin():
                    yield connection
                return
            self._say(connection, begin)
            try:
                yield connection
                self._say(connection, "COMMIT")
            except BaseException:
                # A full disk, or one that fails, has ended the transaction already.
                raw: Any = connection.connection.driver_connection
                if raw.in_transaction:
                    self._say(connection, "ROLLBACK")
                raise

    @staticmethod
    def _say(connection: Connection, word: str) -> None:
        raw: Any = connection.connection.driver_connection
        with _sqlalchemy_errors(connection, word):
            raw.execute(word)

    def close(self) -> None:
        self.engine.dispose()
        if self._lock_file:
            self._lock_file.close()
            self._lock_file = None

    def _now(self, connection: Connection) -> int:
        """The database's clock in milliseconds; for SQLite that is this machine's."""
        if self.sqlite:
            return time.time_ns() // 1_000_000
        read_at, offset = self._clock
        if time.monotonic() - read_at > CLOCK_SECONDS:
            before = time.monotonic()
            theirs = connection.execute(_CLOCK).scalar_one()
            offset = float(theirs) - before * 1000
            self._clock = (before, offset)
        return int(time.monotonic() * 1000 + offset)

    @contextlib.contextmanager
    def _writer(self) -> Iterator[None]:
        if not self.sqlite:
            yield
            return
        with self._thread_lock:
            if self._lock_file is None:
                self._lock_file = self._lock_path.open("w")
            fcntl.flock(self._lock_file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._lock_file, fcntl.LOCK_UN)


def is_full(error: DBAPIError) -> bool:
    """Whether the database has no room left on its disk."""
    told = str(error.orig)
    return "disk is full" in told or "No space left on device" in told


def _configure_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "busy_timeout=60000",
            "cache_size=-8192",
        ):
            connection.execute(f"PRAGMA {pragma}")
