"""Which schema a database has, and what is said of one that this version can't work with."""

import re
from pathlib import Path

from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from conductor_app.errors import EnvironmentProblem
from conductor_app.store.database import Database, Transaction

# What SQLite, and PostgreSQL by its codes, say of a table or column that is not there.
MISSING = re.compile(r"no such (table|column)|has no column named")
UNDEFINED = ("42P01", "42703")
VERSIONS = Path(__file__).parent / "migrations" / "versions"


class SchemaProblem(EnvironmentProblem):
    """The database has another schema than this version of Conductor needs."""

    code = "schema_problem"


class NoSchema(SchemaProblem):
    """There are no tables of Conductor's in the database."""

    code = "no_schema"


class OlderSchema(SchemaProblem):
    """The database has not been brought to this version's schema."""

    code = "older_schema"


class NewerSchema(SchemaProblem):
    """The database was written by a newer version of Conductor."""

    code = "newer_schema"


def known() -> list[str]:
    """The revisions that this version knows, the newest last."""
    return sorted(file.name.partition("_")[0] for file in VERSIONS.glob("[0-9]*_*.py"))


def revision(tx: Transaction) -> str | None:
    """The revision that the database is at; None for one without a schema."""
    if not inspect(tx.connection).has_table("alembic_version"):
        return None
    found = tx.value(text("SELECT version_num FROM alembic_version"))
    return str(found) if found else None


def problem(found: str | None) -> SchemaProblem | None:
    """What is wrong with a database at this revision, if anything."""
    way_out = "`conductor db upgrade`; `conductor up` and `conductor run` do it too."
    if found is None:
        return NoSchema(f"The database has no schema yet. Make it with {way_out}")
    if found not in known():
        return newer(found)
    if found != known()[-1]:
        return OlderSchema(
            f"The database has schema {found}, which is older than this version of Conductor needs "
            f"({known()[-1]}). Bring it up to date with {way_out}"
        )
    return None


def newer(found: str) -> NewerSchema:
    return NewerSchema(
        f"The database has schema {found}, which this version of Conductor does not know: "
        "a newer one wrote it. Install that version again, or use another CONDUCTOR_HOME."
    )


def reason_of(error: DBAPIError, database: Database) -> SchemaProblem | None:
    """The problem with the schema that this failure comes from, if it does."""
    code = getattr(error.orig, "pgcode", None)
    if code not in UNDEFINED and not MISSING.search(str(error.orig)):
        return None
    with database.read() as tx:
        return problem(revision(tx))
