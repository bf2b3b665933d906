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
    create_engine,
    event,
    make_url,
    text,
)

from conductor_app.queue import Hint, Queue
from conductor_app.store.deferring import DeferringConnection, DeferringCursor
from conductor_app.store.recorder import Recorder

# How long a reading of the server's clock is good for.
CLOCK_SECONDS = 10.0
# By default each statement sees what was committed just before it.
_ONE_MOMENT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
_CHANGING: Mapping[str, Any] = {}
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
        # Jobs queued here whose message the broker's chain carries already.
        self.carried: set[str] = set()
        self.postgresql = connection.dialect.name == "postgresql"

    def all(self, statement: Executable, parameters: Any = None) -> Sequence[Row[Any]]:
        return self.connection.execute(statement, parameters).all()

    def first(self, statement: Executable, parameters: Any = None) -> Row[Any] | None:
        return self.connection.execute(statement, parameters).first()

    def value(self, statement: Executable, parameters: Any = None) -> Any:
        return self.connection.execute(statement, parameters).scalar()

    def run(self, statement: Executable, parameters: Any = None) -> int:
        """Execute a write; the number of rows it changed."""
        return self.connection.execute(statement, parameters).rowcount

    def later(self, statement: Executable, parameters: Any = None) -> None:
        """Execute a write whose result nobody needs, in order, together with what follows it."""
        raw = self.connection.connection.driver_connection
        if not isinstance(raw, DeferringConnection):
            self.connection.execute(statement, parameters)
            return
        raw.deferring = True
        try:
            self.connection.execute(statement, parameters)
        finally:
            raw.deferring = False


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
            self.engine = create_engine(
                url,
                pool_size=pool_size,
                max_overflow=pool_size,
                connect_args={
                    "connection_factory": DeferringConnection,
                    "cursor_factory": DeferringCursor,
                    # Compiling a plan costs more than these small statements ever take.
                    "options": "-c jit=off -c enable_seqscan=off",
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
    def _begun(self, begin: str, postgresql: Mapping[str, Any] = _CHANGING) -> Iterator[Connection]:
        """A connection in a transaction that is committed, or rolled back on any exception.

        SQLite is told by `begin`, PostgreSQL by its execution options, what kind it is.
        """
        with self.engine.connect() as connection:
            if not self.sqlite:
                with connection.execution_options(**postgresql).begin():
                    yield connection
                return
            connection.exec_driver_sql(begin)
            try:
                yield connection
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                # A full disk, or one that fails, has ended the transaction already.
                raw: Any = connection.connection.driver_connection
                if raw.in_transaction:
                    connection.exec_driver_sql("ROLLBACK")
                raise

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


def _configure_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "busy_timeout=60000",
            "cache_size=-65536",
        ):
            connection.execute(f"PRAGMA {pragma}")
