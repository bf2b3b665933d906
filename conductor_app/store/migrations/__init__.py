"""The schema's versions: Alembic migrations, applied by `up` and `db upgrade`."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from conductor_app.errors import Refused


class NewerSchema(Refused):
    """The database was written by a newer version of Conductor."""

    code = "newer_schema"


def upgrade(url: str) -> str:
    """Bring the database to the newest schema; its revision. Raises NewerSchema."""
    config = _config(url)
    script = ScriptDirectory.from_config(config)
    found = revision(url)
    known = {each.revision for each in script.walk_revisions()}
    if found is not None and found not in known:
        raise NewerSchema(
            f"The database has schema {found}, which this version of Conductor does not know: "
            "a newer one wrote it. Install that version again, or use another CONDUCTOR_HOME."
        )
    head = script.get_current_head()
    if found != head:
        command.upgrade(config, "head")
    return str(head)


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
