"""The schema's versions: Alembic migrations, applied by `up` and `db upgrade`."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, make_url, text

from conductor_app.errors import EnvironmentProblem
from conductor_app.store import schema


class NoPlace(EnvironmentProblem):
    """The database's file can't be made."""

    code = "no_place_for_database"


def upgrade(url: str) -> str:
    """Bring the database to the newest schema; its revision. Raises NewerSchema, NoPlace."""
    _make_private(url)
    config = _config(url)
    script = ScriptDirectory.from_config(config)
    found = revision(url)
    known = {each.revision for each in script.walk_revisions()}
    if found is not None and found not in known:
        raise schema.newer(found)
    head = script.get_current_head()
    if found != head:
        command.upgrade(config, "head")
    return str(head)


def make(url: str) -> None:
    """Make the schema in a SQLite file that has none; what is there stays as it is.

    A server's database is somebody's to make, once, with `conductor db upgrade`.
    """
    if make_url(url).get_backend_name() != "sqlite":
        return
    _make_private(url)
    if revision(url) is None:
        upgrade(url)


def _make_private(url: str) -> None:
    """A new SQLite file is for its owner alone; its companions get the mode that it has."""
    address = make_url(url)
    if address.get_backend_name() != "sqlite" or not address.database:
        return
    file = Path(address.database)
    try:
        if not file.exists():
            file.touch(mode=0o600)
    except OSError as failure:
        raise NoPlace(
            f"The database {file} can't be made: {failure.strerror}. Make its directory, give "
            "yourself permission to it, or change CONDUCTOR_DATABASE_URL."
        ) from failure


def revision(url: str) -> str | None:
    """The revision that a database is at; None for an empty one."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            return str(found) if found else None
    finally:
        engine.dispose()


def _config(url: str) -> Config:
    config = Config()
    # Alembic's configuration interpolates percent signs, which paths and passwords may hold.
    for name, value in (("script_location", str(Path(__file__).parent)), ("sqlalchemy.url", url)):
        config.set_main_option(name, value.replace("%", "%%"))
    return config
