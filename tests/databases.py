"""Databases of tests with the newest schema: the migrations make it once, then it is copied."""

import atexit
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

import psycopg2
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import make_url

from conductor_app.settings import Settings
from conductor_app.store import migrations

TEMPLATE = "conductor_schema"


def give_schema(url: str) -> None:
    """Bring a SQLite file to the newest schema; the tests' databases on a server have it."""
    place = make_url(url)
    if place.get_backend_name() == "sqlite":
        assert place.database
        if not Path(place.database).exists():
            shutil.copy(_sqlite_file(), place.database)


@cache
def _sqlite_file() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="conductor-schema-", dir="/tmp"))
    maker = os.getpid()
    atexit.register(lambda: maker == os.getpid() and shutil.rmtree(folder, ignore_errors=True))
    file = folder / "conductor.db"
    migrations.upgrade(f"sqlite:///{file}")
    return file


def prepare_server(uri: str) -> None:
    """Let a PostgreSQL server know the schema, and wait for no disk: nothing here outlives it."""
    with _administrator(uri) as cursor:
        cursor.execute("ALTER SYSTEM SET fsync = off")
        cursor.execute("ALTER SYSTEM SET full_page_writes = off")
        cursor.execute("SELECT pg_reload_conf()")
        cursor.execute(f"CREATE DATABASE {TEMPLATE}")
    migrations.upgrade(Settings.load(database_url=_database(uri, TEMPLATE)).database_url)


@contextmanager
def on_server(uri: str, template: str = TEMPLATE) -> Iterator[str]:
    """A fresh database of the server, for the block."""
    name = f"test_{secrets.token_hex(6)}"
    with _administrator(uri) as cursor:
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield _database(uri, name)
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _database(uri: str, name: str) -> str:
    return uri.replace("/postgres?", f"/{name}?", 1)


@contextmanager
def _administrator(uri: str) -> Iterator[Cursor]:
    with closing(psycopg2.connect(uri)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor
