"""Commands of the database: `db upgrade`, `db backup`."""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import click
from sqlalchemy import make_url

from conductor_app.cli.invocation import Invocation, command
from conductor_app.errors import ConductorError, EnvironmentProblem, NotFound, Refused


class BackupFailed(ConductorError):
    """The backup was not made."""

    code = "backup_failed"


@click.group("db", epilog="\b\nExample:\n  conductor db backup")
def command_db() -> None:
    """Upgrade or back up the database."""


@command("upgrade", example="conductor db upgrade")
def command_upgrade(invocation: Invocation) -> None:
    """Bring the database to this version's schema; `up` and `run` do it by themselves."""
    from conductor_app.stack import datadir, embedded
    from conductor_app.store import migrations

    settings = invocation.settings
    datadir.prepare(settings.home)
    if embedded.find(settings.home):
        raise Refused("Conductor is running on this database. Stop it first: conductor down")
    sentence = f"The database has schema {migrations.upgrade(settings.database_url)}."
    invocation.output.say(sentence)
    invocation.output.result({"home": settings.home}, sentence)


@command("backup", example="conductor db backup conductor-monday.db")
@click.argument("target", required=False, type=click.Path(dir_okay=False, path_type=Path))
def command_backup(invocation: Invocation, target: Path | None) -> None:
    """Copy the database to a file, while everything goes on running.

    Without TARGET the file goes to `backups` in the data directory. SQLite is copied as it is at
    one moment; for PostgreSQL `pg_dump` makes an archive for `pg_restore`.
    """
    from conductor_app.stack import datadir

    settings = invocation.settings
    datadir.check_version(settings.home)
    sqlite = settings.database_url.startswith("sqlite")
    target = target or _fresh_name(settings.places.backups, "db" if sqlite else "dump")
    if target.exists():
        raise Refused(f"{target} is there already. Name another file, or remove that one.")
    if sqlite:
        _require_database(settings.database_url)
    target.parent.mkdir(parents=True, exist_ok=True)
    copy = _copy_sqlite if sqlite else _dump_postgresql
    # A backup that was cut short must never look like one.
    draft = target.with_name(f".{target.name}.partial")
    draft.touch(mode=0o600)
    try:
        copy(settings.database_url, draft)
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)
    sentence = f"The database is backed up in {target} ({target.stat().st_size:,} bytes)."
    invocation.output.say(sentence)
    invocation.output.result({"file": target, "bytes": target.stat().st_size}, sentence)


command_db.add_command(command_upgrade)
command_db.add_command(command_backup)


def _fresh_name(folder: Path, suffix: str) -> Path:
    return folder / f"conductor-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.{suffix}"


def _file_of(url: str) -> Path:
    return Path(make_url(url).database or "")


def _require_database(url: str) -> None:
    if not _file_of(url).exists():
        raise NotFound(f"There is no database at {_file_of(url)} yet; `conductor up` makes one.")


def _copy_sqlite(url: str, target: Path) -> None:
    with closing(sqlite3.connect(_file_of(url))) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy)


def _dump_postgresql(url: str, target: Path) -> None:
    program = shutil.which("pg_dump")
    if program is None:
        raise EnvironmentProblem(
            "`pg_dump` is not on PATH. Install PostgreSQL's client programs "
            "(Debian, Ubuntu: apt install postgresql-client), or back up on the server."
        )
    address = make_url(url).set(drivername="postgresql")
    # Other users could read the password among the arguments, but not in the environment.
    bare = address._replace(password=None).render_as_string()
    dumped = subprocess.run(
        [program, "--format=custom", f"--file={target}", f"--dbname={bare}"],
        env={**os.environ, "PGPASSWORD": str(address.password or "")},
        capture_output=True,
        text=True,
    )
    if dumped.returncode:
        raise BackupFailed(f"pg_dump refused: {dumped.stderr.strip()}")
