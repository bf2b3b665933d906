"""The databases that sql checks read, and only read: SQLite in the checkout, PostgreSQL by URL."""

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from sqlalchemy import URL, create_engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from conductor_app.errors import InvalidInput
from workers.confinement import inside

MAX_ROWS = 10_000
CONNECT_SECONDS = 10
BUSY_SECONDS = 5.0
# How many steps of SQLite's machine pass between two looks at the clock.
STEPS = 10_000


class QueryFailed(InvalidInput):
    """The query of an sql check could not be answered."""

    code = "query_failed"


class Database(Protocol):
    @property
    def shown(self) -> str:
        """Its address without secrets, for the evidence."""

    def rows(self, query: str) -> Sequence[Sequence[Any]]:
        """At most MAX_ROWS rows. Raises QueryFailed."""


def open_database(address: str, checkout: Path, seconds: float) -> Database:
    """The database of a path in the checkout, a `sqlite:` or a `postgresql:` URL.

    Raises QueryFailed for any other, OutsideCheckout for a file elsewhere.
    """
    if "://" not in address:
        return SqliteFile(address, inside(checkout, address), seconds)
    try:
        url = make_url(address.replace("postgres://", "postgresql://", 1))
    except ArgumentError as error:
        raise QueryFailed(f"this is no database URL: {error}") from error
    match url.get_backend_name():
        case "sqlite":
            name = url.database or ""
            return SqliteFile(name, inside(checkout, name), seconds)
        case "postgresql":
            return Postgres(url.set(drivername="postgresql+psycopg2"), seconds)
        case other:
            raise QueryFailed(f"sql checks read SQLite and PostgreSQL, not {other}")


@dataclass(frozen=True)
class SqliteFile:
    """A SQLite file that an agent's code wrote: read-only, and its schema is not trusted."""

    shown: str
    path: Path
    seconds: float

    def rows(self, query: str) -> Sequence[Sequence[Any]]:
        if not self.path.is_file():
            raise QueryFailed(
                f"there is no database {self.shown} in the checkout; `prepare` or the service that "
                "the check names must create it"
            )
        try:
            return self._rows(query)
        except sqlite3.Error as error:
            raise QueryFailed(f"{self.shown}: {error}") from error

    def _rows(self, query: str) -> Sequence[Sequence[Any]]:
        deadline = time.monotonic() + self.seconds
        uri = f"file:{quote(str(self.path))}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as connection:
            connection.text_factory = lambda raw: raw.decode(errors="replace")
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.set_progress_handler(lambda: time.monotonic() > deadline, STEPS)
            return connection.execute(query).fetchmany(MAX_ROWS)


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL database, in a transaction that can only read."""

    url: URL
    seconds: float

    @property
    def shown(self) -> str:
        return self.url.render_as_string(hide_password=True)

    def rows(self, query: str) -> Sequence[Sequence[Any]]:
        milliseconds = int(self.seconds * 1000)
        options = f"-c default_transaction_read_only=on -c statement_timeout={milliseconds}"
        engine = create_engine(
            self.url,
            poolclass=NullPool,
            connect_args={"options": options, "connect_timeout": CONNECT_SECONDS},
        )
        try:
            with engine.connect() as connection:
                # No parameters: a % in the query is a %.
                plain = connection.execution_options(no_parameters=True)
                return [tuple(row) for row in plain.exec_driver_sql(query).fetchmany(MAX_ROWS)]
        except SQLAlchemyError as error:
            raise QueryFailed(f"{self.shown}: {_first_line(error)}") from error
        finally:
            engine.dispose()


def _first_line(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error).strip().split("\n")[0]
