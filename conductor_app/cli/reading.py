"""Reads the database directly, so that looking needs no server; nothing here ever writes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from conductor_app.errors import Unreachable
from conductor_app.settings import Settings
from conductor_app.stack import datadir

if TYPE_CHECKING:
    from conductor_app.store.database import Database, Transaction


class NothingHere(Unreachable):
    """There is no database yet and no server runs."""

    code = "nothing_here"


@contextmanager
def open_database(settings: Settings) -> Iterator["Database"]:
    """The database of the settings, for reading only.

    Raises NothingHere, SchemaProblem, DataDirectoryProblem.
    """
    from sqlalchemy.exc import OperationalError, ProgrammingError

    from conductor_app.queue import MemoryQueue
    from conductor_app.store import schema
    from conductor_app.store.database import Database

    datadir.check_version(settings.home)
    _require_file(settings)
    # What only reads signs no event and sends no message.
    database = Database(settings.database_url, b"", MemoryQueue(), pool_size=1)
    try:
        with database.read() as tx:
            found = schema.problem(schema.revision(tx))
        # What is older may still say what is asked of it.
        if isinstance(found, (schema.NoSchema, schema.NewerSchema)):
            raise found
        yield database
    except (OperationalError, ProgrammingError) as error:
        problem = schema.reason_of(error, database)
        if problem is None:
            raise
        raise problem from error
    finally:
        database.close()


@contextmanager
def reading(settings: Settings) -> Iterator["Transaction"]:
    """One consistent look at the database. Raises as `open_database`."""
    with open_database(settings) as database, database.read() as tx:
        yield tx


def _require_file(settings: Settings) -> None:
    """SQLite would make an empty database of a file that is missing."""
    prefix, _, path = settings.database_url.partition(":///")
    if prefix.startswith("sqlite") and not Path(path).is_file():
        raise NothingHere(
            f"Nothing has run on {settings.home} yet, and no server runs there. Start with "
            "`conductor run`, or `conductor up`; CONDUCTOR_HOME names another data directory."
        )
